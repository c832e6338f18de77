"""A generation that was bred and is not judged yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import Arrays
from neatfool.errors import RunError
from neatfool.runs import expect, under
from neatfool.search.archive import Archive
from neatfool.search.strategy import Offspring

MOST_AHEAD = 100
"""Generations that may be bred before those before them are judged."""

_MOST = 2.0**62


@dataclass(frozen=True)
class Bred:
    """The children of a generation, and what was known when they were made.

    Attributes:
        offspring: the children.
        parent_confidence: of each first parent in the class that it was drawn for, shape (N,), float32; -1 unless it was the
            elite of that class.
    """

    offspring: Offspring
    parent_confidence: NDArray[np.float32]

    @classmethod
    def of(cls, offspring: Offspring, archive: Archive) -> Bred:
        """Children of a strategy, and what the archive they were made from says of their parents."""
        order = np.argsort(archive.classes)
        places = np.searchsorted(archive.classes, offspring.classes, sorter=order).clip(max=len(order) - 1)
        cells = order[places]
        known = (archive.classes[cells] == offspring.classes) & (archive.ids[cells] == offspring.parents[:, 0])
        return cls(offspring, np.where(known, archive.confidence[cells], np.float32(-1)))

    @classmethod
    def random(cls, genomes: Any) -> Bred:
        """The random start, which has no parents."""
        count = len(genomes)
        nobody = Offspring(genomes, np.full((count, 2), -1, np.int64), np.full(count, -1, np.int64))
        return cls(nobody, np.full(count, -1, np.float32))

    @classmethod
    def restored(cls, arrays: Arrays, archive: Archive, *, batch: int) -> Bred:
        """The children of which `arrays` was taken, which may come from a stranger.

        Raises:
            RunError, KeyError, TypeError or ValueError: they are not so many children of such an archive.
        """
        genomes = archive.genomes.relatives(under(arrays, "genomes."))
        if len(genomes) != batch:
            raise RunError(f"The checkpoint holds {len(genomes)} children of {batch}; it is damaged.")
        offspring = Offspring(
            genomes,
            expect(arrays, "parents", np.int64, (batch, 2), ndim=2, within=(-1, _MOST)),
            expect(arrays, "classes", np.int64, (batch,), ndim=1, within=(-1, len(archive.class_names) - 1)),
        )
        confidence = expect(arrays, "parent_confidence", np.float32, (batch,), ndim=1, within=(-_MOST, _MOST))
        return cls(offspring, confidence)

    def ancestors(self) -> NDArray[np.int64]:
        """Ids of all parents."""
        parents = self.offspring.parents
        return np.unique(parents[parents >= 0])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that `restored` needs."""
        offspring = self.offspring
        genomes = {f"genomes.{name}": values for name, values in offspring.genomes.arrays().items()}
        return {
            **genomes,
            "parents": offspring.parents,
            "classes": offspring.classes,
            "parent_confidence": self.parent_confidence,
        }
