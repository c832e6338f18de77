"""The archive: for every class, the best image found so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import find_class
from neatfool.encodings import Arrays, Population
from neatfool.errors import ModelError, RunError
from neatfool.figures.notebook import gallery_html
from neatfool.runs import Elite, expect
from neatfool.shared.pixels import for_looking
from neatfool.shared.progress import Snapshot
from neatfool.shared.text import percent

_COLUMNS = (
    ("classes", "classes", np.int64),
    ("confidence", "confidence", np.float32),
    ("ids", "id", np.int64),
    ("generation", "generation", np.int64),
)


@dataclass(frozen=True)
class Member(Elite):
    """The elite of one class, with its genome.

    Attributes:
        image: uint8 (H, W) gray or (H, W, 3) RGB.
        genome: ready for JSON.
    """

    image: NDArray[np.uint8]
    genome: dict[str, Any]

    def _repr_html_(self) -> str:
        return gallery_html([self.image], [f"{self.class_name}, {percent(self.confidence)}"])


class Archive:
    """One cell a class, each holding an elite. Cells are addressed by their position, 0 to `len(archive) - 1`.

    Attributes:
        classes: class index of each cell, shape (cells,), int64.
        class_names: names of all classes the judge knows, by index.
        confidence: the judge's confidence in each elite for the class of its cell, shape (cells,), float32 in [0, 1].
        fitness: what each elite was chosen by, shape (cells,), float32; the confidence, unless the run has another objective.
        ids: evaluation number of each elite, shape (cells,), int64. An individual may hold several cells.
        generation: generation each elite was made in, shape (cells,), int64.
        genomes: the elites' genomes, one a cell.
    """

    def __init__(
        self,
        genomes: Any,
        *,
        classes: NDArray[np.int64],
        class_names: Sequence[str],
        confidence: NDArray[np.float32],
        fitness: NDArray[np.float32],
        ids: NDArray[np.int64],
        generation: NDArray[np.int64],
    ) -> None:
        self.genomes = genomes
        self.classes = classes
        self.class_names = tuple(class_names)
        self.confidence = confidence
        self.fitness = fitness
        self.ids = ids
        self.generation = generation

    @classmethod
    def begin(
        cls,
        first: Population,
        confidences: NDArray[np.float32],
        fitness: NDArray[np.float32],
        *,
        classes: NDArray[np.int64],
        class_names: Sequence[str],
    ) -> Archive:
        """Fills every cell from the first individuals.

        Args:
            first: the individuals of generation 0, numbered from 0.
            confidences: of the judge, shape (N, all classes), float32.
            fitness: for every cell, shape (N, cells), float32.
            classes: class index of each cell.
            class_names: names of all classes.
        """
        best = np.argmax(fitness, axis=0)
        cells = np.arange(len(classes))
        return cls(
            first.take(best),
            classes=classes,
            class_names=class_names,
            confidence=confidences[best, classes],
            fitness=fitness[best, cells],
            ids=best.astype(np.int64),
            generation=np.zeros(len(classes), np.int64),
        )

    @classmethod
    def restored(cls, genomes: Population, arrays: Arrays, *, class_names: Sequence[str]) -> Archive:
        """An archive as it was when `arrays` were taken, which may come from a stranger.

        Raises:
            RunError: they are not those of an archive.
        """
        cells = len(genomes)
        stored = {
            key: expect(arrays, f"archive.{name}", dtype, (cells,), ndim=1).copy() for key, name, dtype in _COLUMNS
        }
        confidence = stored["confidence"]
        has_fitness = "archive.fitness" in arrays
        fitness = expect(arrays, "archive.fitness", np.float32, (cells,), ndim=1) if has_fitness else confidence
        fitness = fitness.copy()
        classes = stored["classes"]
        if len(np.unique(classes)) < cells or not ((classes >= 0) & (classes < len(class_names))).all():
            raise RunError("The checkpoint's classes are not classes of the judge, each once; it is damaged.")
        if not (np.isfinite(confidence).all() and np.isfinite(fitness).all()):
            raise RunError("The checkpoint holds a confidence that is no number; it is damaged.")
        if (stored["ids"] < 0).any() or (stored["generation"] < 0).any():
            raise RunError("The checkpoint holds an elite without an id or a generation; it is damaged.")
        return cls(genomes, class_names=class_names, fitness=fitness, **stored)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of everything that `restored` needs, the genomes aside."""
        columns = {f"archive.{name}": getattr(self, key).copy() for key, name, _ in _COLUMNS}
        return {**columns, "archive.fitness": self.fitness.copy()}

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, name: str | int) -> Member:
        """The elite of a class, by its index or (part of) its name.

        Raises:
            ModelError: there is no such class, or several, or none was evolved for it.
        """
        cell = self.cell(name)
        one = self.genomes.take(np.array([cell], np.uint32))
        out = np.empty((1, *one.shape), np.uint8)
        one.render(out)
        class_index = int(self.classes[cell])
        return Member(
            class_index,
            self.class_names[class_index],
            float(self.confidence[cell]),
            int(self.ids[cell]),
            int(self.generation[cell]),
            out[0],
            for_looking(out)[0],
            self.genomes.describe(cell),
        )

    def cell(self, name: str | int) -> int:
        """Position of the cell of a class, by its index or (part of) its name.

        Raises:
            ModelError: there is no such class, or several, or none was evolved for it.
        """
        class_index = find_class(self.class_names, name)
        cells = np.flatnonzero(self.classes == class_index)
        if not len(cells):
            raise ModelError(
                f"Nothing was evolved for class {class_index}, {self.class_names[class_index]}; `neatfool inspect` lists the "
                "classes of a run."
            )
        return int(cells[0])

    def add(
        self,
        children: Any,
        confidences: NDArray[np.float32],
        fitness: NDArray[np.float32],
        *,
        first_id: int,
        generation: int,
    ) -> NDArray[np.int64]:
        """Tries every child on every cell (paper section 2.2): a strictly higher fitness takes the cell.

        Args:
            children: the individuals.
            confidences: of the judge, shape (N, all classes), float32.
            fitness: for every cell, shape (N, cells), float32.
            first_id: evaluation number of the first; the others follow.
            generation: the generation they were made in.

        Returns:
            For every cell the index of the child that took it, or -1; shape (cells,).
        """
        cells, winners = self.winners(fitness)
        if len(cells):
            self.genomes.put(cells, children, winners)
        self.fitness[cells] = fitness[winners, cells]
        self.confidence[cells] = confidences[winners, self.classes[cells]]
        self.ids[cells] = first_id + winners
        self.generation[cells] = generation
        taken = np.full(len(self), -1, np.int64)
        taken[cells] = winners
        return taken

    def winners(self, fitness: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The cells that children of this fitness, shape (N, cells), would take, and the index of the child for each."""
        best = np.argmax(fitness, axis=0)
        cells = np.flatnonzero(fitness[best, np.arange(len(self))] > self.fitness)
        return cells, best[cells]

    def pixels(self) -> NDArray[np.uint8]:
        """The elites' pictures as a judge takes them, shape (cells, channels, H, W), uint8."""
        out = np.empty((len(self), *self.genomes.shape), np.uint8)
        self.genomes.render(out)
        return out

    def images(self) -> NDArray[np.uint8]:
        """The elites' pictures for looking at, shape (cells, H, W) gray or (cells, H, W, 3) RGB, uint8."""
        return for_looking(self.pixels())

    def snapshot(self) -> Snapshot:
        """The elites for whoever shows the run while it goes on."""

        def pixels(cells: NDArray[np.int64]) -> NDArray[np.uint8]:
            chosen = self.genomes.take(cells)
            out = np.empty((len(cells), *chosen.shape), np.uint8)
            chosen.render(out)
            return out

        return Snapshot(
            classes=self.classes,
            class_names=[self.class_names[index] for index in self.classes],
            confidence=self.confidence.copy(),
            versions=self.ids.copy(),
            pixels=pixels,
        )

    def statistics(self) -> dict[str, float | int]:
        """The elites' `confidence_statistics`."""
        return confidence_statistics(self.confidence)

    def __repr__(self) -> str:
        one = self.statistics()
        return (
            f"<Archive of {len(self)} classes: median confidence {percent(one['median_confidence'])}, "
            f"{one['classes_over_99']} at 99 % or more>"
        )

    def _repr_html_(self) -> str:
        captions = [
            f"{self.class_names[class_index]}, {percent(float(confidence))}"
            for class_index, confidence in zip(self.classes, self.confidence, strict=True)
        ]
        return gallery_html(self.images(), captions)


def confidence_statistics(confidence: NDArray[np.float32]) -> dict[str, float | int]:
    """How thoroughly a classifier is fooled: quartiles, mean and minimum confidence, classes over 99 % and 99.99 %."""
    confidence64 = confidence.astype(np.float64)
    # Several times as fast as numpy's quantile, every generation.
    lower, upper = np.interp((0.25, 0.75), np.linspace(0, 1, len(confidence64)), np.sort(confidence64))
    return {
        "median_confidence": float(np.median(confidence64)),
        "mean_confidence": float(confidence64.mean()),
        "min_confidence": float(confidence64.min()),
        "lower_quartile": _short(lower),
        "upper_quartile": _short(upper),
        "classes_over_99": int((confidence64 >= 0.99).sum()),
        "classes_over_9999": int((confidence64 >= 0.9999).sum()),
    }


def _short(value: float) -> float:
    """The shortest number that reads back as the same float32: a line of metrics for each generation adds up."""
    return float(str(np.float32(value)))
