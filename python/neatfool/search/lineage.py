"""Who descends from whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FIELDS = 5


@dataclass(frozen=True)
class Birth:
    """How an individual came to be.

    Attributes:
        id: evaluation number.
        parents: ids of its parents: none in generation 0, one for a mutated copy, two after crossover.
        generation: generation it was made in.
        class_index: class of the cell or population its first parent was drawn from; None in generation 0.
    """

    id: int
    parents: tuple[int, ...]
    generation: int
    class_index: int | None


class Lineage:
    """The births of all living individuals and their ancestors."""

    def __init__(self, births: NDArray[np.int64] | None = None) -> None:
        """Starts empty, or from the rows `array` returned."""
        self._births: dict[int, tuple[int, int, int, int]] = {}
        if births is not None:
            self._births = {int(row[0]): (int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in births}

    def __len__(self) -> int:
        return len(self._births)

    def add(
        self, ids: Iterable[int], parents: Iterable[tuple[int, int]], classes: Iterable[int], *, generation: int
    ) -> None:
        """Records births.

        Args:
            ids: evaluation numbers.
            parents: two parent ids each; -1 for none.
            classes: class each first parent was drawn for; -1 for none.
            generation: the generation of all of them.
        """
        for child, (first, second), class_index in zip(ids, parents, classes, strict=True):
            self._births[child] = (first, second, generation, class_index)

    def birth(self, individual: int) -> Birth:
        """How one recorded individual came to be."""
        first, second, generation, class_index = self._births[individual]
        parents = tuple(parent for parent in (first, second) if parent >= 0)
        return Birth(individual, parents, generation, class_index if class_index >= 0 else None)

    def ancestry(self, individual: int) -> list[Birth]:
        """The line of first parents from one individual back to generation 0."""
        line = [self.birth(individual)]
        while line[-1].parents:
            line.append(self.birth(line[-1].parents[0]))
        return line

    def prune(self, living: Iterable[int]) -> None:
        """Forgets everybody who is neither living nor an ancestor of the living."""
        kept: dict[int, tuple[int, int, int, int]] = {}
        waiting = list(living)
        while waiting:
            individual = waiting.pop()
            if individual >= 0 and individual not in kept:
                kept[individual] = self._births[individual]
                waiting.extend(kept[individual][:2])
        self._births = dict(sorted(kept.items()))

    def array(self) -> NDArray[np.int64]:
        """Rows (id, first parent, second parent, generation, class), -1 for none; shape (births, 5)."""
        rows = [(individual, *birth) for individual, birth in self._births.items()]
        return np.array(rows, np.int64).reshape(-1, _FIELDS)
