"""The images of several runs under common labels, in two splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import FOOLING_CLASS
from neatfool.experiments.export.sources import RunImages

SPLITS = ("train", "validation")

MOST_ANCESTORS = 100
"""Ancestors that are named of each image, the nearest."""

_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """N images, run by run, and what is known of each.

    Attributes:
        runs: where they come from; no two of one name.
        chosen: rows of each run that are meant.
        run: the run of each, int64 (N,).
        row: its row there, int64 (N,).
        label_names: what the labels are called, all different.
        labels: int64 (N,).
        groups: group of relatives and near-copies of each, int64 (N,).
        validation: whether it is for validation, bool (N,).
    """

    runs: tuple[RunImages, ...]
    chosen: tuple[NDArray[np.int64], ...]
    run: NDArray[np.int64]
    row: NDArray[np.int64]
    label_names: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    validation: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.run)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Of the source models, float32 (N,)."""
        return np.concatenate([run.confidence[rows] for run, rows in zip(self.runs, self.chosen, strict=True)])

    def splits(self) -> dict[str, NDArray[np.int64]]:
        """The images of each split that has any."""
        places = {name: np.flatnonzero(self.validation == (name == "validation")) for name in SPLITS}
        return {name: images for name, images in places.items() if len(images)}

    def record(self, image: int) -> dict[str, Any]:
        """Everything known of one image, ready for JSON."""
        run, row = self.runs[self.run[image]], self.row[image]
        individual = int(run.ids[row])
        ancestry = run.lineage.ancestry(individual) if run.lineage else []
        return {
            "label": self.label_names[self.labels[image]],
            "class": int(run.classes[row]),
            "class_name": run.class_names[run.classes[row]],
            "confidence": float(run.confidence[row]),
            "model": run.model,
            "weights_hash": run.weights_hash,
            "run": run.name,
            "command": run.command,
            "encoding": run.encoding,
            "strategy": run.strategy,
            "seed": run.seed,
            "generation": int(run.generation[row]),
            "id": individual,
            "parents": list(ancestry[0].parents) if ancestry else [],
            "lineage": [birth.id for birth in ancestry[1 : MOST_ANCESTORS + 1]],
            "group": int(self.groups[image]),
            "split": SPLITS[int(self.validation[image])],
        }

    def pictures(self, images: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Some images in rising order with their pixels, uint8 (channels, height, width), a few in memory at a time."""
        for number, run in enumerate(self.runs):
            own = images[self.run[images] == number]
            for start in range(0, len(own), _AT_ONCE):
                part = own[start : start + _AT_ONCE]
                yield from zip(part.tolist(), run.draw(self.row[part]), strict=True)


def label_images(
    runs: Sequence[RunImages], chosen: Sequence[NDArray[np.int64]], *, fooling: bool
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Common labels: a class of one name is the same class in all models.

    Args:
        runs: where the images come from.
        chosen: rows of each run that are meant.
        fooling: label all as "fooling image", a class after those of the models.

    Returns:
        The names of all labels, those of the model where all runs have the same classes, and the label of each image.
    """
    names = list(dict.fromkeys(chain.from_iterable(run.class_names for run in runs)))
    if fooling and FOOLING_CLASS not in names:
        names.append(FOOLING_CLASS)
    index = {name: number for number, name in enumerate(names)}
    labels = [
        index[FOOLING_CLASS if fooling else run.class_names[run.classes[row]]]
        for run, rows in zip(runs, chosen, strict=True)
        for row in rows
    ]
    return tuple(names), np.array(labels, np.int64)
