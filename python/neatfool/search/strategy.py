"""What a search strategy is: it is asked for children, and told how fit they are.

A strategy of your own is a `neatfool.Settings` with the members of `StrategySettings`, registered by `register_strategy`, or
by a package's entry point in the group `neatfool.strategies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import Arrays, Encoding, Population
from neatfool.search.archive import Archive
from neatfool.shared.settings import Registry


@dataclass(frozen=True)
class Offspring:
    """The children of a generation, not yet judged.

    Attributes:
        genomes: N genomes.
        parents: ids of the two parents of each, -1 for none; shape (N, 2), int64.
        classes: class that each first parent was drawn for, shape (N,), int64; -1 for none.
    """

    genomes: Any
    parents: NDArray[np.int64]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Setting:
    """What a strategy works in.

    Attributes:
        archive: the elites. The search itself tries every individual on every cell before it tells the strategy.
        encoding: what genomes are.
        batch: children to make in each generation.
        seed: of the run.
    """

    archive: Archive
    encoding: Encoding
    batch: int
    seed: int


class Strategy(Protocol):
    """A way of searching, between two generations."""

    def ask(self, generation: int) -> Offspring:
        """Makes the children of a generation; depends on the seed, the generation and the state only."""

    def tell(
        self, offspring: Offspring, fitness: NDArray[np.float32], *, first_id: int, taken: NDArray[np.int64]
    ) -> None:
        """Takes the children in.

        Args:
            offspring: what `ask` returned.
            fitness: of every child for every cell, shape (N, cells), float32.
            first_id: id of the first child; the others follow.
            taken: for every cell the index of the child that became its elite, or -1; shape (cells,).
        """

    def living(self) -> NDArray[np.int64]:
        """Ids of all individuals, elites aside, that may still become parents; int64."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its state beside the archive, for a checkpoint: named arrays."""


class StrategySettings(Protocol):
    """The settings of a strategy, which make it.

    Attributes:
        markings: whether it relies on historical markings, so that it needs an encoding that keeps them.

    A strategy that may be asked for generations before it is told of those before them (`Search.ahead`) also has
    `breeds_ahead: ClassVar[bool] = True`.
    """

    markings: ClassVar[bool]

    @property
    def name(self) -> str:
        """By which a configuration finds it."""

    def default_batch(self, cells: int) -> int:
        """Children of a generation, where nobody chose their number."""

    def check(self, *, cells: int, batch: int) -> None:
        """Raises ConfigError, one sentence, if it cannot work with so many cells and children."""

    def begin(self, setting: Setting, first: Population, fitness: NDArray[np.float32]) -> Strategy:
        """The strategy after generation 0, whose individuals have the ids 0, 1, ...; `fitness` has the shape (N, cells)."""

    def restore(self, setting: Setting, arrays: Arrays) -> Strategy:
        """The strategy as it was when it returned these `arrays`, which may come from a stranger.

        Raises:
            RunError, KeyError, TypeError or ValueError: they are not its state.
        """

    def model_dump(self) -> dict[str, Any]:
        """The settings as plain values. `neatfool.Settings` has it."""


STRATEGIES: Registry[Any] = Registry("neatfool.strategies", "strategy", default="pattern-elites")
register_strategy = STRATEGIES.register

SMALL_CLASSIFIER = 100
"""Up to this many classes the default batch is that of the paper's MNIST runs."""


def paper_batch(cells: int) -> int:
    """Children of a generation in the paper's runs: 200 on MNIST, 400 on ImageNet."""
    return 200 if cells <= SMALL_CLASSIFIER else 400
