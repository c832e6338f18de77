"""The attacks of an audit as arrays in its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import RunError
from neatfool.experiments.audit.attacks import SHOWN, Attack, drawn_classes
from neatfool.experiments.audit.result import AttackResult
from neatfool.experiments.audit.settings import ATTACKS, AuditConfig
from neatfool.runs import RunFolder, expect, read_count

_ARRAYS = [field.name for field in fields(Attack)]


def as_arrays(attacks: Sequence[Attack], names: Sequence[str]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """A checkpoint: the attacks done, seed by seed and in the order of their names."""
    arrays = {f"audit.{name}": np.stack([getattr(one, name) for one in attacks]) for name in _ARRAYS if attacks}
    return arrays, {"attacks": str(len(attacks)), "names": " ".join(names)}


def read_attacks(folder: RunFolder, config: AuditConfig) -> tuple[list[Attack], tuple[str, ...]]:
    """The attacks in a checkpoint, which may come from a stranger, and the names of those there are for each seed.

    Raises:
        RunError: the checkpoint is damaged.
    """
    arrays, metadata = folder.load_checkpoint()
    names = tuple(metadata.get("names", "").split(" "))
    if names not in (ATTACKS, ATTACKS[:-1]):
        raise RunError(f"The checkpoint of {folder.path} does not say which attacks it is of; it is damaged.")
    count = read_count(folder, metadata, "attacks")
    if count > config.seeds * len(names):
        raise RunError(f"The checkpoint of {folder.path} has more attacks than its settings ask for; it is damaged.")
    if not count:
        return [], names
    known = len(folder.manifest.class_names)
    of_class = (count, drawn_classes(folder.manifest.class_names, config.seeds).shape[1])
    of_top = (*of_class, min(SHOWN, known))
    checked = {
        "classes": expect(arrays, "audit.classes", np.int64, of_class, ndim=2, within=(0, known - 1)),
        "passes": expect(arrays, "audit.passes", np.int64, of_class, ndim=2, within=(0, config.budget)),
        "confidence": expect(arrays, "audit.confidence", np.float32, of_class, ndim=2, within=(0, 1.001)),
        "images": expect(arrays, "audit.images", np.uint8, (*of_class, *folder.manifest.image_shape), ndim=5),
        "top_classes": expect(arrays, "audit.top_classes", np.int64, of_top, ndim=3, within=(0, known - 1)),
        "top_confidence": expect(arrays, "audit.top_confidence", np.float32, of_top, ndim=3, within=(0, 1.001)),
        "spent": expect(arrays, "audit.spent", np.int64, (count,), ndim=1, within=(0, 2**53)),
    }
    return [Attack(**{name: values[row] for name, values in checked.items()}) for row in range(count)], names


def by_name(
    attacks: Sequence[Attack], names: Sequence[str], image_shape: tuple[int, int, int]
) -> tuple[AttackResult, ...]:
    """What each attack came to, over the seeds for which all attacks are done."""
    seeds = len(attacks) // len(names)
    whole = attacks[: seeds * len(names)]
    results = []
    for which, name in enumerate(names):
        own = whole[which :: len(names)]
        results.append(
            AttackResult(
                name=name,
                classes=_stacked(own, "classes", np.int64, (0,)),
                passes=_stacked(own, "passes", np.int64, (0,)),
                confidence=_stacked(own, "confidence", np.float32, (0,)),
                images=_stacked(own, "images", np.uint8, (0, *image_shape)),
                top_classes=_stacked(own, "top_classes", np.int64, (0, 0)),
                top_confidence=_stacked(own, "top_confidence", np.float32, (0, 0)),
                spent=sum(int(one.spent) for one in own),
            )
        )
    return tuple(results)


def _stacked(attacks: Sequence[Attack], name: str, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
    """One array of all attacks, or none of this type and shape."""
    return np.stack([getattr(one, name) for one in attacks]) if attacks else np.empty((0, *shape), dtype)
