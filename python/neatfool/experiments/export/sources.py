"""The images of a run with all that is known about each, read without its classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.classifiers.names import settle_names
from neatfool.errors import DataError, RunError
from neatfool.experiments.ascent.settings import AscentConfig
from neatfool.experiments.retraining.settings import read_retrain_config
from neatfool.experiments.retraining.state import rounds_done
from neatfool.runs import RunFolder, expect, read_count, read_elites, read_settings
from neatfool.search import EvolveConfig, Run
from neatfool.search.lineage import Lineage
from neatfool.shared.files import to_json
from neatfool.shared.text import printable

Source = Run | RunFolder | Path | str
"""A run or its folder."""

_LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class RunImages:
    """The images of one run.

    Attributes:
        name: of its folder.
        command: what made it: "evolve", "ascend" or "retrain".
        model: the classifier that the confidences are of.
        weights_hash: hash of its weights, or None where there is none that says which they are.
        class_names: names of all its classes by index, all different.
        image_shape: (channels, height, width).
        encoding, strategy: as they are called; None where the command has none.
        seed: of the run.
        classes: class that each image was evolved for, int64 (N,).
        confidence: in that class, float32 (N,).
        ids: of the individuals, int64 (N,).
        generation: the generation that made each, int64 (N,).
        lineage: the births of these individuals and of all their ancestors; None where no ancestry is kept.
        start: what determines the random start: individuals of the same number and start are the same.
        draw: the pictures of some rows, uint8 (n, channels, height, width).
    """

    name: str
    command: str
    model: str
    weights_hash: str | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    encoding: str | None
    strategy: str | None
    seed: int
    classes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    ids: NDArray[np.int64]
    generation: NDArray[np.int64]
    lineage: Lineage | None
    start: str
    draw: Callable[[NDArray[np.int64]], NDArray[np.uint8]]


def read_run(source: Source) -> RunImages:
    """The images of a run or of a run folder.

    Raises:
        DataError: it has no images yet.
        RunError: the folder is damaged, or of a command that keeps no images of its own.
    """
    return _of_run(source) if isinstance(source, Run) else _of_folder(RunFolder.of(source))


def _of_run(run: Run) -> RunImages:
    archive = run.archive

    def draw(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        out = np.empty((len(rows), *archive.genomes.shape), np.uint8)
        archive.genomes.take(rows.astype(np.uint32)).render(out)
        return out

    # A copy, because the run may go on.
    births = Lineage.restored(run.lineage.array(), generation=run.generation, classes=len(archive.class_names))
    return RunImages(
        name=_line(run.folder.path.resolve().name if run.folder else f"run of seed {run.config.seed}"),
        command="evolve",
        model=_line(run.judge.name),
        weights_hash=run.judge.weights_hash() if isinstance(run.judge, Classifier) else None,
        class_names=_names(archive.class_names, "The run"),
        image_shape=archive.genomes.shape,
        classes=archive.classes,
        confidence=archive.confidence,
        ids=archive.ids,
        generation=archive.generation,
        draw=draw,
        **_evolved(run.config, births, archive.ids, archive.genomes.shape),
    )


def _of_folder(folder: RunFolder) -> RunImages:
    manifest = folder.manifest
    weights_hash = _line(manifest.weights_hash) if manifest.weights_hash else None
    facts: dict[str, Any] = {"model": _line(manifest.model), "weights_hash": weights_hash}
    if manifest.command not in ("evolve", "ascend", "retrain"):
        raise RunError(
            f"{folder.path} was made by `neatfool {manifest.command}`; export takes runs of evolve, ascend and retrain."
        )
    elites = read_elites(folder)
    if not len(elites):
        raise DataError(f"{folder.path} has no images yet; let it reach its first checkpoint.")
    if manifest.command == "evolve":
        arrays, metadata = folder.load_checkpoint(("lineage",))
        births = Lineage.restored(
            expect(arrays, "lineage", np.int64, (None, 5), ndim=2),
            generation=read_count(folder, metadata, "generation"),
            classes=len(manifest.class_names),
        )
        facts |= _evolved(read_settings(folder, EvolveConfig), births, elites.ids, manifest.image_shape)
    elif manifest.command == "ascend":
        facts |= {"encoding": None, "strategy": None, "seed": read_settings(folder, AscentConfig).seed}
        facts |= {"lineage": None, "start": ""}
    else:
        config, rounds = read_retrain_config(folder), rounds_done(folder) - 1
        if rounds > 0:
            facts |= {"model": f"{facts['model']}, retrained {rounds} times", "weights_hash": None}
        facts |= {"encoding": config.retrain.encoding, "strategy": None, "seed": config.seed}
        facts |= {"lineage": None, "start": ""}
    return RunImages(
        name=_line(folder.path.resolve().name),
        command=manifest.command,
        class_names=_names(manifest.class_names, str(folder.path)),
        image_shape=manifest.image_shape,
        classes=elites.classes,
        confidence=elites.confidence,
        ids=elites.ids,
        generation=elites.generation,
        draw=elites.pixels,
        **facts,
    )


def _evolved(
    config: EvolveConfig, births: Lineage, ids: NDArray[np.int64], shape: tuple[int, int, int]
) -> dict[str, Any]:
    """What only an evolution has."""
    if any(individual not in births for individual in ids.tolist()):
        raise RunError("The checkpoint's lineage lacks individuals that are alive; it is damaged.")
    births.prune(ids.tolist())
    return {
        "encoding": config.encoding.name,
        "strategy": config.strategy.name,
        "seed": config.seed,
        "lineage": births,
        "start": to_json([config.encoding.model_dump(), shape[0], config.seed]),
    }


def _names(class_names: tuple[str, ...], source: str) -> tuple[str, ...]:
    settled = settle_names([_line(name) for name in class_names], len(class_names), source)
    if len(set(settled)) < len(settled):
        raise DataError(f"{source} has classes that cannot be told apart by their names; give each another name.")
    return settled


def _line(text: str) -> str:
    """The text on one line, without control characters, of at most 200 characters."""
    return " ".join(printable(text).split())[:_LONGEST_NAME] or "unnamed"
