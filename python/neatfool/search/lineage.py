"""Who descends from whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import RunError

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

    def __init__(self) -> None:
        self._births: dict[int, tuple[int, int, int, int]] = {}

    @classmethod
    def restored(cls, births: NDArray[np.int64], *, generation: int, classes: int) -> Lineage:
        """A lineage from the rows that `array` returned, which may come from a stranger.

        Args:
            births: shape (N, 5).
            generation: the last generation of the run.
            classes: number of all classes.

        Raises:
            RunError: an individual is recorded twice, is not younger than its parents, or descends from nobody recorded.
        """
        ids, parents, generations, drawn_for = births[:, 0], births[:, 1:3], births[:, 3], births[:, 4]
        known = np.isin(parents, ids) | (parents == -1)
        sound = (
            (np.diff(ids) > 0).all()
            and (ids >= 0).all()
            and known.all()
            and (parents < ids[:, None]).all()
            and ((generations >= 0) & (generations <= generation)).all()
            and ((drawn_for >= -1) & (drawn_for < classes)).all()
        )
        if not sound:
            raise RunError("The checkpoint's lineage contradicts itself; it is damaged.")
        lineage = cls()
        for individual, first, second, made, class_index in births.tolist():
            lineage._births[individual] = (first, second, made, class_index)
        return lineage

    def __len__(self) -> int:
        return len(self._births)

    def __contains__(self, individual: int) -> bool:
        return individual in self._births

    def __repr__(self) -> str:
        return f"<Lineage of {len(self):,} individuals>"

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
