"""Who descends from whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        parent_confidence: of the judge in that class, of the first parent as the class's elite of then; None in generation 0,
            where the parent was not the elite, and in runs of releases that did not record it.
    """

    id: int
    parents: tuple[int, ...]
    generation: int
    class_index: int | None
    parent_confidence: float | None = None


class Lineage:
    """The births of all living individuals and their ancestors."""

    def __init__(self) -> None:
        self._births: dict[int, tuple[int, int, int, int, float]] = {}

    @classmethod
    def restored(
        cls,
        births: NDArray[np.int64],
        *,
        generation: int,
        classes: int,
        parent_confidence: NDArray[np.float32] | None = None,
    ) -> Lineage:
        """A lineage from what `array` and `parent_confidence` returned, which may come from a stranger.

        Args:
            births: shape (N, 5).
            generation: the last generation of the run.
            classes: number of all classes.
            parent_confidence: shape (N,); None where a run has none.

        Raises:
            RunError: an individual is recorded twice, is not younger than its parents, or descends from nobody recorded.
        """
        ids, parents, generations, drawn_for = births[:, 0], births[:, 1:3], births[:, 3], births[:, 4]
        known = np.isin(parents, ids) | (parents == -1)
        if parent_confidence is None:
            parent_confidence = np.full(len(births), -1, np.float32)
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
        for (individual, *birth), share in zip(births.tolist(), parent_confidence.tolist(), strict=True):
            lineage._births[individual] = (*birth, share)
        return lineage

    def __len__(self) -> int:
        return len(self._births)

    def __contains__(self, individual: int) -> bool:
        return individual in self._births

    def __repr__(self) -> str:
        return f"<Lineage of {len(self):,} individuals>"

    def add(
        self,
        ids: Sequence[int],
        parents: Iterable[tuple[int, int]],
        classes: Iterable[int],
        *,
        generation: int,
        parent_confidence: Iterable[float] | None = None,
    ) -> None:
        """Records births.

        Args:
            ids: evaluation numbers.
            parents: two parent ids each; -1 for none.
            classes: class each first parent was drawn for; -1 for none.
            generation: the generation of all of them.
            parent_confidence: see `Birth`; -1 for none.
        """
        shares = [-1.0] * len(ids) if parent_confidence is None else parent_confidence
        for child, (first, second), class_index, share in zip(ids, parents, classes, shares, strict=True):
            self._births[child] = (first, second, generation, class_index, share)

    def birth(self, individual: int) -> Birth:
        """How one recorded individual came to be."""
        first, second, generation, class_index, share = self._births[individual]
        parents = tuple(parent for parent in (first, second) if parent >= 0)
        known = min(share, 1.0) if share >= 0 else None
        return Birth(individual, parents, generation, class_index if class_index >= 0 else None, known)

    def ancestry(self, individual: int) -> list[Birth]:
        """The line of first parents from one individual back to generation 0."""
        line = [self.birth(individual)]
        while line[-1].parents:
            line.append(self.birth(line[-1].parents[0]))
        return line

    def prune(self, living: Iterable[int]) -> None:
        """Forgets everybody who is neither living nor an ancestor of the living."""
        kept: dict[int, tuple[int, int, int, int, float]] = {}
        waiting = list(living)
        while waiting:
            individual = waiting.pop()
            if individual >= 0 and individual not in kept:
                kept[individual] = self._births[individual]
                waiting.extend(kept[individual][:2])
        self._births = dict(sorted(kept.items()))

    def array(self) -> NDArray[np.int64]:
        """Rows (id, first parent, second parent, generation, class), -1 for none; shape (births, 5)."""
        rows = [(individual, *birth[:-1]) for individual, birth in self._births.items()]
        return np.array(rows, np.int64).reshape(-1, _FIELDS)

    def parent_confidence(self) -> NDArray[np.float32]:
        """See `Birth`; -1 for none; shape (births,), in the order of `array`."""
        return np.array([birth[-1] for birth in self._births.values()], np.float32)
