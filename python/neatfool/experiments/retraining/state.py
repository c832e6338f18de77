"""What a round of retraining leaves in the run folder, and how it is read again.

fooling/round-K.safetensors   train.images: evolved against network K, to train network K + 1 on (not in round 0);
judge.ENCODING.*: evolved against network K + 1 with other seeds, never trained on
weights/round-K.safetensors   network K + 1 (not in round 0; network 1 is the one that was given)
metrics.jsonl                 a line a round
checkpoint/                   the newest elites, and the number of the last complete round
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import FOOLING_CLASS, Classifier
from neatfool.classifiers.added_class import add_class
from neatfool.classifiers.state_dict import load_weights, read_weights
from neatfool.errors import RunError
from neatfool.experiments.retraining.fooling import Evolved
from neatfool.experiments.retraining.settings import read_retrain_config
from neatfool.runs import RunFolder, check_same, expect, load_model, read_count
from neatfool.runs.checkpoint import load, save
from neatfool.training import save_classifier

Judged = Mapping[str, Evolved]
"""What was evolved against one network to judge it, by encoding."""


def write_round(
    folder: RunFolder,
    number: int,
    *,
    test_error: float,
    network: Classifier,
    train: NDArray[np.uint8] | None,
    judged: Judged,
) -> None:
    """Writes a round's files. It counts once a checkpoint says so; until then a resumed run does it again."""
    arrays: dict[str, NDArray[Any]] = {} if train is None else {"train.images": train}
    for encoding, evolved in judged.items():
        for name in ("images", "classes", "confidence", "elites", "elite_confidence"):
            arrays[f"judge.{encoding}.{name}"] = getattr(evolved, name)
    save(folder.file(f"fooling/round-{number}.safetensors"), arrays, {})
    if number:
        notes = {"made_by": f"neatfool retrain, round {number}", "test_error": str(test_error)}
        save_classifier(network, folder.file(weights_name(number)), notes=notes)


def rounds_done(folder: RunFolder) -> int:
    """Number of complete rounds, round 0 counted.

    Raises:
        RunError: the checkpoint is damaged.
    """
    if not folder.has_checkpoint:
        return 0
    _, metadata = folder.load_checkpoint(())
    return read_count(folder, metadata, "round") + 1


def read_judged(folder: RunFolder, number: int) -> dict[str, Evolved]:
    """The images evolved in a round to judge its network, by encoding.

    Raises:
        RunError: the round's file is missing or damaged.
    """
    path = folder.file(f"fooling/round-{number}.safetensors")
    arrays, _ = load(path)
    judged = {}
    for encoding in ("cppn", "direct"):
        prefix = f"judge.{encoding}."
        if f"{prefix}images" not in arrays:
            continue
        images = _images(arrays, f"{prefix}images", folder)
        count = len(images)
        classes = (0, len(folder.manifest.class_names) - 1)
        elites = expect(arrays, f"{prefix}elites", np.int64, (None,), ndim=1, within=(0, count - 1), source=path)
        if not len(elites):
            raise RunError(f"{path} holds no elites; the run folder is damaged.")
        judged[encoding] = Evolved(
            images=images,
            classes=expect(arrays, f"{prefix}classes", np.int64, (count,), ndim=1, within=classes, source=path),
            confidence=expect(
                arrays, f"{prefix}confidence", np.float32, (count,), ndim=1, within=(0, 1.001), source=path
            ),
            elites=elites,
            elite_confidence=expect(
                arrays, f"{prefix}elite_confidence", np.float32, (len(elites),), ndim=1, within=(0, 1.001), source=path
            ),
        )
    if not judged:
        raise RunError(f"{path} holds no evolved images; the run folder is damaged.")
    return judged


def read_train(folder: RunFolder, number: int) -> NDArray[np.uint8]:
    """The images evolved in a round to train its network on.

    Raises:
        RunError: the round's file is missing or damaged.
    """
    arrays, _ = load(folder.file(f"fooling/round-{number}.safetensors"), ("train.images",))
    return _images(arrays, "train.images", folder)


def read_network(folder: RunFolder, number: int, first: Classifier) -> Classifier:
    """The network of a round, given the first of all.

    Raises:
        ModelError: its weights are missing or damaged, or give no finite numbers.
    """
    if number == 0:
        return first
    path = folder.file(weights_name(number))
    network = add_class(first, FOOLING_CLASS, seed=0)
    load_weights(network.module, read_weights(path)[0], str(path))
    return network.run_with()  # which tries it with these weights


def load_last_network(folder: RunFolder) -> Classifier:
    """The network that the newest images of a run were evolved against.

    Raises:
        ModelError: it cannot be loaded.
        RunError: the folder is no run of `retrain`, or is damaged.
    """
    first = load_model(folder, read_retrain_config(folder).model)
    check_same(folder, first)
    return read_network(folder, max(rounds_done(folder) - 1, 0), first)


def weights_name(number: int) -> str:
    """Where the weights of a round are, within the run folder."""
    return f"weights/round-{number}.safetensors"


def _images(arrays: Mapping[str, NDArray[Any]], name: str, folder: RunFolder) -> NDArray[np.uint8]:
    shape: Sequence[int] = folder.manifest.image_shape
    return expect(arrays, name, np.uint8, (None, *shape), ndim=4, source=f"a file in {folder.path / 'fooling'}")
