"""What every encoding offers to the search: a batch of genomes behind one handle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray


class Population(Protocol):
    """A batch of genomes of one encoding, held by the Rust core and addressed by index.

    Attributes:
        shape: (channels, height, width) of the images it was made to draw.
    """

    shape: tuple[int, int, int]

    def __len__(self) -> int: ...

    def vary(self, matings: NDArray[np.uint32], *, generation: int) -> Self:
        """Makes one child for each row (fitter parent, other parent, 1 if equally fit) of `matings`, shape (N, 3)."""

    def take(self, indices: NDArray[np.integer[Any]]) -> Self:
        """Copies the genomes at `indices`."""

    def put(self, slots: NDArray[np.integer[Any]], other: Self, indices: NDArray[np.integer[Any]]) -> None:
        """Replaces the genomes at `slots` by those of `other` at `indices`."""

    def render(self, out: NDArray[np.uint8], *, first: int = 0) -> None:
        """Draws the genomes from `first` on into `out`, shape (N, *self.shape), uint8."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything `Encoding.restore` needs to make this batch again."""

    def describe(self, index: int) -> dict[str, Any]:
        """One genome for people and other programs, ready for JSON."""


class Encoding(Protocol):
    """The settings of an encoding, and how a population of it begins."""

    name: str
    parents: ClassVar[int]
    """Parents of a child in MAP-Elites: 1 without crossover, else 2."""

    def start(self, count: int, *, shape: tuple[int, int, int], seed: int, neat: bool) -> Population:
        """Makes `count` random genomes that draw images of `shape` (channels, height, width)."""

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], *, shape: tuple[int, int, int], seed: int, neat: bool
    ) -> Population:
        """Rebuilds a population from `Population.arrays`.

        Raises:
            ValueError: the arrays are not a population of this encoding.
        """
