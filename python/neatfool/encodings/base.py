"""What every encoding offers to the search: settings that make batches of genomes, each batch behind one handle.

An encoding of your own is a `neatfool.Settings` with the members of `Encoding`, registered by `register_encoding`, or by a
package's entry point in the group `neatfool.encodings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from neatfool.shared.settings import Registry

Shape = tuple[int, int, int]
"""(channels, height, width) of an image; channels is 1 (gray) or 3 (RGB)."""

Arrays = Mapping[str, NDArray[Any]]
"""Named arrays, as a checkpoint stores them."""


@dataclass(frozen=True)
class Operator:
    """A way to make a child.

    Attributes:
        name: what it does, in a word.
        parents: 1 or 2.
    """

    name: str
    parents: int


class Population(Protocol):
    """A batch of genomes of one encoding, addressed by index. Batches that descend from one another are of one run.

    Attributes:
        shape: (channels, height, width) of the images it was made to draw.
        parents: parents a child should have: 1 where `vary` does not cross, else 2.
        scalable: whether `render` draws anew at any height and width; else `out` must have `shape`.
        operators: the ways to make a child that `breed` offers (see `BreedingPopulation`); () if `vary` is all there is.
    """

    shape: Shape
    parents: int
    scalable: bool
    operators: tuple[Operator, ...]

    @property
    def encoding(self) -> Encoding:
        """The settings, whose `restore` makes this batch again in another process."""

    def __len__(self) -> int: ...

    def vary(self, matings: NDArray[np.uint32], *, generation: int) -> Self:
        """Makes one child for each row (fitter parent, other parent, 1 if equally fit) of `matings`, shape (N, 3).

        Child i must depend on its parents, the seed, `generation` and i alone.
        """

    def take(self, indices: NDArray[np.integer[Any]]) -> Self:
        """Copies the genomes at `indices`."""

    def put(self, slots: NDArray[np.integer[Any]], other: Self, indices: NDArray[np.integer[Any]]) -> None:
        """Replaces the genomes at `slots` by those of `other` at `indices`."""

    def concatenate(self, *others: Self) -> Self:
        """Copies this batch and `others` into one."""

    def render(self, out: NDArray[np.uint8], *, first: int = 0) -> None:
        """Draws the genomes from `first` on into `out`, shape (N, channels, height, width), uint8, C-contiguous."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of everything that `Encoding.restore` needs to make this batch again."""

    def relatives(self, arrays: Arrays) -> Self:
        """Another batch of the same run, from what its `arrays` returned."""

    def describe(self, index: int) -> dict[str, Any]:
        """One genome for people and other programs, ready for JSON."""


class BreedingPopulation(Population, Protocol):
    """A population with several ways to make a child, among which a strategy chooses."""

    def breed(
        self, matings: NDArray[np.uint32], operators: NDArray[np.uint8], *, generation: int, first: int = 0
    ) -> Self:
        """Makes one child for each row (parent, other parent, ignored) of `matings`, shape (N, 3).

        Child i is made by the way at place `operators[i]` of `self.operators`, and depends on its parents, that way, the
        seed, `generation` and `first + i` alone.
        """


class Species(Protocol):
    """Genomes that are alike breed with each other: the species of several populations that lie in one batch."""

    def reproduce(
        self,
        population: Any,
        ends: NDArray[np.uint32],
        fitness: NDArray[np.float32],
        *,
        children: NDArray[np.uint32],
        seed: int,
        generation: int,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Divides every population into species and says who lives on and who breeds.

        Args:
            population: the batch; population k owns its genomes from `ends[k - 1]` to `ends[k]`.
            ends: shape (populations,).
            fitness: of every genome, shape (N,), at least 0.
            children: number of children of each population, shape (populations,).
            seed: of the run.
            generation: the generation to be made.

        Returns:
            Indices of those that live on unchanged, and matings as `Population.vary` takes them.
        """

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that `Encoding.species` needs to go on."""


class Encoding(Protocol):
    """The settings of an encoding, and how a population of it begins.

    Attributes:
        markings: whether its genomes can keep historical markings (Stanley & Miikkulainen 2002), so that they can be crossed
            and told apart by structure.
    """

    markings: ClassVar[bool]

    @property
    def name(self) -> str:
        """By which a configuration finds it."""

    def start(self, count: int, *, shape: Shape, seed: int, markings: bool = False) -> Population:
        """Makes `count` random genomes that draw images of `shape`; `markings` if the strategy will rely on them."""

    def restore(self, arrays: Arrays, *, shape: Shape, seed: int, markings: bool = False) -> Population:
        """Rebuilds a population from `Population.arrays`.

        Raises:
            KeyError, TypeError or ValueError: the arrays are not a population of this encoding.
        """

    def species(self, count: int, settings: Any, arrays: Arrays | None = None) -> Species:
        """The species of `count` populations: none yet, or those of `Species.arrays`. Only called where `markings` is true.

        Args:
            count: number of populations.
            settings: coefficients and rates, see `neatfool.Neat`.
            arrays: from a checkpoint.

        Raises:
            KeyError, TypeError or ValueError: the arrays are not species of this encoding.
        """

    def model_dump(self) -> dict[str, Any]:
        """The settings as plain values, from which they can be made again. `neatfool.Settings` has it."""


ENCODINGS: Registry[Any] = Registry("neatfool.encodings", "encoding", default="cppn")
