"""Images of the same classes from several audits, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from neatfool.experiments.audit.reading import AuditRecord
from neatfool.experiments.audit.result import Audit
from neatfool.figures.page import SMALL_SIDE
from neatfool.figures.tiles import picture_uri
from neatfool.shared.pixels import Pixels, as_picture

MOST_CLASSES = 30
_TILE = 112


@dataclass(frozen=True)
class ClassTile:
    """The image that a classifier was surest to be of a class: a data URI, its confidence, and whether it is a small one."""

    source: str
    confidence: float
    pixelated: bool


@dataclass(frozen=True)
class ClassRow:
    """A class, and what every audit has of it; None where it did not attack it."""

    index: int
    name: str
    tiles: tuple[ClassTile | None, ...]


def shared_classes(records: Sequence[AuditRecord]) -> list[ClassRow]:
    """The classes, of the same index and name, that at least two audits attacked: the 30 that most did, by index."""
    best = [_best_images(record.audit) for record in records]
    attacked = Counter(key for images in best for key in images)
    most = sorted((key for key, count in attacked.items() if count > 1), key=lambda key: (-attacked[key], key))
    return [
        ClassRow(index, name, tuple(_tile(images.get((index, name))) for images in best))
        for index, name in sorted(most[:MOST_CLASSES])
    ]


def _best_images(audit: Audit) -> dict[tuple[int, str], tuple[float, Pixels]]:
    """The surest image of each class attacked, over attacks and seeds, with its confidence."""
    best: dict[tuple[int, str], tuple[float, Pixels]] = {}
    for attack in audit.attacks:
        for seed, classes in enumerate(attack.classes.tolist()):
            for column, index in enumerate(classes):
                key, confidence = (index, audit.class_names[index]), float(attack.confidence[seed, column])
                if key not in best or confidence > best[key][0]:
                    best[key] = confidence, attack.images[seed, column]
    return best


def _tile(found: tuple[float, Pixels] | None) -> ClassTile | None:
    if found is None:
        return None
    confidence, pixels = found
    return ClassTile(picture_uri(as_picture(pixels), _TILE), confidence, max(pixels.shape[1:]) <= SMALL_SIDE)
