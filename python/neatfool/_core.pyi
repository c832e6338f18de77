"""The compiled core: genomes, their variation, speciation and rendering, a batch at a time.

Every call that computes releases the GIL, runs on `threads()` threads and answers Ctrl-C. Results depend on the arguments
alone, never on the number of threads. Arrays must be C-contiguous; wrong shapes and values raise ValueError.
"""

from collections.abc import Sequence
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CppnGenomes",
    "DirectGenomes",
    "Innovations",
    "Species",
    "__version__",
    "activation_names",
    "direct_operators",
    "draw_parents",
    "operators",
    "set_threads",
    "simd_level",
    "threads",
]

__version__: str

class _CppnSettings(Protocol):
    """What `CppnGenomes` reads from its `settings` argument: see `neatfool.Cppn`."""

    @property
    def activations(self) -> Sequence[str]: ...
    @property
    def initial_mutations(self) -> int: ...
    @property
    def weight_rate(self) -> float: ...
    @property
    def weight_eta(self) -> float: ...
    @property
    def activation_rate(self) -> float: ...
    @property
    def add_connection_rate(self) -> float: ...
    @property
    def delete_connection_rate(self) -> float: ...
    @property
    def add_node_rate(self) -> float: ...
    @property
    def delete_node_rate(self) -> float: ...

class _DirectSettings(Protocol):
    """What `DirectGenomes` reads from its `settings` argument: see `neatfool.Direct`."""

    @property
    def mutation_rate(self) -> float: ...
    @property
    def mutation_eta(self) -> float: ...
    @property
    def crossover_rate(self) -> float: ...
    @property
    def crossover_eta(self) -> float: ...
    @property
    def halve_every(self) -> int | None: ...

class _SpeciesSettings(Protocol):
    """What `Species` reads from its `settings` argument: see `neatfool.Neat`."""

    @property
    def target_species(self) -> int: ...
    @property
    def excess_coefficient(self) -> float: ...
    @property
    def disjoint_coefficient(self) -> float: ...
    @property
    def weight_coefficient(self) -> float: ...
    @property
    def activation_coefficient(self) -> float: ...
    @property
    def initial_threshold(self) -> float: ...
    @property
    def stagnation(self) -> int: ...
    @property
    def species_elitism(self) -> int: ...
    @property
    def elitism_size(self) -> int: ...
    @property
    def survival(self) -> float: ...
    @property
    def crossover_rate(self) -> float: ...
    @property
    def interspecies_rate(self) -> float: ...

@final
class Innovations:
    """The next unused innovation number and node id of a run."""

    def __new__(cls, *, next_innovation: int, next_node: int) -> Innovations: ...
    def check(self, genomes: CppnGenomes) -> None:
        """Raises ValueError if a genome has a node or innovation that is yet to be given out."""

    @property
    def next_innovation(self) -> int: ...
    @property
    def next_node(self) -> int: ...

@final
class CppnGenomes:
    """A batch of CPPN genomes."""

    @staticmethod
    def random(
        count: int, settings: _CppnSettings, *, outputs: int, keep_split: bool, seed: int
    ) -> tuple[CppnGenomes, Innovations]:
        """`count` random genomes of 1 (gray) or 3 (colour) outputs, and the innovations they used up."""

    @staticmethod
    def from_json(texts: Sequence[str]) -> CppnGenomes:
        """Genomes from their JSON form."""

    @staticmethod
    def from_arrays(
        outputs: int,
        node_counts: NDArray[np.uint32],
        node_ids: NDArray[np.uint32],
        node_activations: NDArray[np.uint8],
        connection_counts: NDArray[np.uint32],
        innovations: NDArray[np.uint32],
        sources: NDArray[np.uint32],
        targets: NDArray[np.uint32],
        weights: NDArray[np.float32],
        enabled: NDArray[np.uint8],
    ) -> CppnGenomes:
        """The inverse of `arrays`, `enabled` as bytes of 0 and 1; every invariant of every genome is checked."""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The genes as arrays named like the arguments of `from_arrays`, concatenated over genomes."""

    def __len__(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    def json(self, index: int) -> str:
        """The JSON form of one genome."""

    def node_counts(self) -> NDArray[np.uint32]:
        """Output and hidden nodes of each genome."""

    def connection_counts(self) -> NDArray[np.uint32]:
        """Connections of each genome, disabled ones included."""

    def vary(
        self,
        matings: NDArray[np.uint32],
        settings: _CppnSettings,
        *,
        keep_split: bool,
        keep_disabled: float,
        seed: int,
        generation: int,
        first_index: int,
        innovations: Innovations,
    ) -> CppnGenomes:
        """One child for each row (fitter parent, other parent, 1 if equally fit) of `matings`, shape (N, 3).

        Raises:
            OverflowError: the innovation numbers are used up.
        """

    def breed(
        self,
        matings: NDArray[np.uint32],
        operators: NDArray[np.uint8],
        settings: _CppnSettings,
        *,
        seed: int,
        generation: int,
        first_index: int,
        innovations: Innovations,
    ) -> CppnGenomes:
        """One child for each row (parent, other parent, ignored) of `matings`, shape (N, 3), by the operator of a code each.

        A code, one of `operators`, shape (N,), is a place in what the function `operators()` returns.

        Raises:
            OverflowError: the innovation numbers are used up.
        """

    def descend(self, index: int, births: NDArray[np.uint32], settings: _CppnSettings, *, seed: int) -> CppnGenomes:
        """The genome at `index` and its line of descendants by mutation alone, one for each row of `births`.

        Args:
            index: the founder.
            births: rows (generation, child, 1 if an added connection is numbered after those of a split), shape (N, 3).
            settings: see `neatfool.Cppn`.
            seed: of the run.
        """

    def find_descent(
        self,
        index: int,
        births: NDArray[np.uint32],
        last: CppnGenomes,
        settings: _CppnSettings,
        *,
        seed: int,
        tries: int,
    ) -> NDArray[np.bool_] | None:
        """The last column of `births` with which the line ends in the first genome of `last`; None if `tries` lines did not.

        What `births` say is tried first.
        """

    def take(self, indices: NDArray[np.uint32]) -> CppnGenomes:
        """Copies of the genomes at `indices`."""

    def put(self, slots: NDArray[np.uint32], other: CppnGenomes, indices: NDArray[np.uint32]) -> None:
        """Replaces the genomes at `slots` by those of `other` at `indices`."""

    @staticmethod
    def concatenate(parts: Sequence[CppnGenomes]) -> CppnGenomes:
        """Copies of the genomes of all `parts`, in order."""

    def distances(self, other: CppnGenomes, settings: _SpeciesSettings) -> NDArray[np.float32]:
        """Compatibility distances, shape (len(self), len(other))."""

    def render(
        self,
        out: NDArray[np.uint8],
        *,
        first: int,
        coordinates: str,
        color: str,
        home: tuple[int, int] | None = None,
        band: tuple[int, int] | None = None,
    ) -> None:
        """Draws the genomes from `first` on into `out`, shape (N, outputs, height, width).

        Args:
            out: written in place.
            first: index of the genome drawn into `out[0]`.
            coordinates: "unit" or "pixel".
            color: "hls", "hsv" or "raw" (planes as they are); gray genomes ignore it.
            home: (height, width) whose pixel indices "pixel" coordinates run over, if not those of the picture.
            band: (row, height) if `out` takes the rows from `row` on of pictures of that height, which may be 65,536 pixels
                a side; else 16,384.
        """

    def outputs_at(
        self, index: int, *, height: int, width: int, coordinates: str, home: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Output values in [-1, 1] of one genome, before they become bytes, shape (outputs, height, width)."""

    def silenced(self, index: int, node: int) -> CppnGenomes:
        """A batch of one: the genome at `index` with an output or hidden node that is 0 everywhere."""

    def sums_at(
        self,
        index: int,
        node: int,
        *,
        height: int,
        width: int,
        coordinates: str,
        home: tuple[int, int] | None = None,
    ) -> NDArray[np.float32]:
        """What enters an output or hidden node of one genome before its activation, shape (height, width)."""

@final
class DirectGenomes:
    """A batch of directly encoded images: a uint16 gene for each pixel and channel, standing for [0, 1]."""

    @staticmethod
    def random(count: int, *, length: int, seed: int) -> DirectGenomes: ...
    @staticmethod
    def smooth(count: int, *, shape: tuple[int, int, int], cells: int, seed: int) -> DirectGenomes:
        """Images of `cells` x `cells` random pixels, at most 255, enlarged smoothly; `shape` is (channels, height, width)."""

    @staticmethod
    def from_array(genes: NDArray[np.uint16]) -> DirectGenomes: ...
    def array(self) -> NDArray[np.uint16]:
        """A copy of the genes, shape (len(self), length)."""

    def __len__(self) -> int: ...
    @property
    def length(self) -> int: ...
    def vary(
        self,
        matings: NDArray[np.uint32],
        settings: _DirectSettings,
        *,
        seed: int,
        generation: int,
        first_index: int,
    ) -> DirectGenomes:
        """One child for each row (parent, other parent, ignored) of `matings`, shape (N, 3)."""

    def breed(
        self,
        matings: NDArray[np.uint32],
        operators: NDArray[np.uint8],
        settings: _DirectSettings,
        *,
        shape: tuple[int, int, int],
        seed: int,
        generation: int,
        first_index: int,
    ) -> DirectGenomes:
        """One child for each row (parent, other parent, ignored) of `matings`, shape (N, 3), by one of `direct_operators` each.

        A code, one of `operators`, shape (N,), is a place in what `direct_operators()` returns; `shape` is (channels, height,
        width) of the images.
        """

    def take(self, indices: NDArray[np.uint32]) -> DirectGenomes: ...
    def put(self, slots: NDArray[np.uint32], other: DirectGenomes, indices: NDArray[np.uint32]) -> None: ...
    def render(self, out: NDArray[np.uint8], *, first: int, color: str) -> None:
        """Draws the genomes from `first` on into `out`, shape (N, channels, height, width)."""

@final
class Species:
    """A set of species for each of the populations that lie in one batch, from generation to generation."""

    def __new__(cls, count: int, settings: _SpeciesSettings) -> Species: ...
    @staticmethod
    def from_json(texts: Sequence[str]) -> Species:
        """The sets whose JSON forms these are, one a population."""

    def json(self) -> list[str]:
        """The JSON form of each population's set."""

    def __len__(self) -> int:
        """The number of populations."""

    def counts(self) -> NDArray[np.uint32]:
        """The number of species of each population."""

    def reproduce(
        self,
        genomes: CppnGenomes,
        ends: NDArray[np.uint32],
        fitness: NDArray[np.float32],
        settings: _SpeciesSettings,
        *,
        children: NDArray[np.uint32],
        seed: int,
        generation: int,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Assigns species and plans the next generation of every population.

        A call that fails or is interrupted leaves the species as they were.

        Args:
            genomes: all populations, one after the other.
            ends: where each population ends; it begins where the one before it ends.
            fitness: of each genome, finite and not negative.
            settings: see `neatfool.Neat`.
            children: of each population.
            seed: of the run.
            generation: population k draws from the stream (seed, generation, k).

        Returns:
            Indices into `genomes` of the champions to keep unchanged; matings, shape (sum of `children`, 3), the parents
            as indices into `genomes`; both in the order of the populations.
        """

def draw_parents(
    count: int, parents: int, pool: int, *, seed: int, generation: int, first_index: int
) -> NDArray[np.uint32]:
    """Uniform draws from `range(pool)`, shape (count, parents); row i depends on (seed, generation, first_index + i) only."""

def activation_names() -> list[str]: ...
def operators() -> list[tuple[str, int]]:
    """Name and number of parents of every way to make a CPPN of others, in the order of their codes."""

def direct_operators() -> list[tuple[str, int]]:
    """The same of every way to make a directly encoded image of others."""

def simd_level() -> str:
    """The instruction set that draws: "avx512", "avx2", "neon" or "portable"."""

def threads() -> int:
    """Threads the next call will use: `set_threads`, else NEATFOOL_THREADS, else the number of cores."""

def set_threads(count: int) -> None:
    """Sets the number of threads; 0 returns to the default."""
