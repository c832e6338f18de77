"""The archive: for every class, the image found so far that the classifier is most confident about."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import Population

P = TypeVar("P", bound=Population)


class Archive(Generic[P]):
    """One cell a class, each holding an elite. Cells are addressed by their position, 0 to `len(archive) - 1`.

    Attributes:
        classes: class index of each cell, shape (cells,), int64.
        confidence: softmax confidence of each elite for the class of its cell, shape (cells,), float32 in [0, 1].
        ids: evaluation number of each elite, shape (cells,), int64. An individual may hold several cells.
        generation: generation each elite was made in, shape (cells,), int64.
        genomes: the elites' genomes, one a cell.
    """

    def __init__(self, classes: NDArray[np.int64], first: P, scores: NDArray[np.float32]) -> None:
        """Fills every cell from the first individuals.

        Args:
            classes: class index of each cell.
            first: the individuals of generation 0, numbered from 0.
            scores: their confidences, shape (N, all classes), float32.
        """
        best = np.argmax(scores[:, classes], axis=0)
        self.classes = classes
        self.confidence = scores[best, classes]
        self.ids = best.astype(np.int64)
        self.generation = np.zeros(len(classes), np.int64)
        self.genomes: P = first.take(best)

    @classmethod
    def restored(
        cls,
        genomes: P,
        *,
        classes: NDArray[np.int64],
        confidence: NDArray[np.float32],
        ids: NDArray[np.int64],
        generation: NDArray[np.int64],
    ) -> Archive[P]:
        """An archive as it was when its attributes were stored."""
        archive = cls.__new__(cls)
        archive.classes, archive.confidence, archive.ids, archive.generation = classes, confidence, ids, generation
        archive.genomes = genomes
        return archive

    def __len__(self) -> int:
        return len(self.classes)

    def add(self, children: P, scores: NDArray[np.float32], *, first_id: int, generation: int) -> NDArray[np.int64]:
        """Tries every child on every cell (paper section 2.2): a strictly higher confidence takes the cell.

        Args:
            children: the individuals.
            scores: their confidences, shape (N, all classes), float32.
            first_id: evaluation number of the first; the others follow.
            generation: the generation they were made in.

        Returns:
            For every cell the index of the child that took it, or -1; shape (cells,).
        """
        own = scores[:, self.classes]
        best = np.argmax(own, axis=0)
        value = own[best, np.arange(len(self))]
        cells = np.flatnonzero(value > self.confidence)
        winners = best[cells]
        if len(cells):
            self.genomes.put(cells, children, winners)
        self.confidence[cells] = value[cells]
        self.ids[cells] = first_id + winners
        self.generation[cells] = generation
        taken = np.full(len(self), -1, np.int64)
        taken[cells] = winners
        return taken

    def pixels(self) -> NDArray[np.uint8]:
        """The elites' pictures as a classifier takes them, shape (cells, channels, H, W), uint8."""
        out = np.empty((len(self), *self.genomes.shape), np.uint8)
        self.genomes.render(out)
        return out

    def images(self) -> NDArray[np.uint8]:
        """The elites' pictures for looking at, shape (cells, H, W) gray or (cells, H, W, 3) RGB, uint8."""
        pixels = self.pixels()
        return pixels[:, 0] if pixels.shape[1] == 1 else np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))

    def statistics(self) -> dict[str, float | int]:
        """How thoroughly the classifier is fooled: median, mean and minimum confidence, classes over 99 % and 99.99 %."""
        confidence = self.confidence.astype(np.float64)
        return {
            "median_confidence": float(np.median(confidence)),
            "mean_confidence": float(confidence.mean()),
            "min_confidence": float(confidence.min()),
            "classes_over_99": int((confidence >= 0.99).sum()),
            "classes_over_9999": int((confidence >= 0.9999).sum()),
        }
