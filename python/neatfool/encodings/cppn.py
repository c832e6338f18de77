"""The CPPN encoding: an image is what a small network draws from the coordinates of each pixel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from neatfool import _core
from neatfool.encodings.base import ENCODINGS, Arrays, Operator, Shape
from neatfool.errors import RunError
from neatfool.shared.settings import Settings

_KEEP_DISABLED = 0.75  # Stanley & Miikkulainen 2002, section 4.1
_TRIED_BIRTHS = 10_000_000


@ENCODINGS.register
class Cppn(Settings):
    """Settings of the CPPN encoding (paper section 2.3; Stanley 2007).

    Attributes:
        coordinates: "unit" gives the network x and y in [-1, 1]; "pixel" gives the raw pixel index, as the paper's program did.
        color: how the three outputs of a colour genome are read: "hls" (the paper) or "hsv".
        activations: the functions a node may have; `neatfool._core.activation_names()` lists all.
        initial_mutations: rounds of mutation the random start goes through; the paper's start has 0.
        weight_rate: chance that a weight mutates (polynomial mutation, Deb 2001).
        weight_eta: distribution index of that mutation; larger stays closer.
        activation_rate: chance that a node gets another activation.
        add_connection_rate: chance that a child gets a new connection.
        delete_connection_rate: chance that a child loses a connection.
        add_node_rate: chance that a connection of a child is split by a new node.
        delete_node_rate: chance that a child loses a hidden node with its connections.
    """

    name: Literal["cppn"] = "cppn"
    coordinates: Literal["unit", "pixel"] = "unit"
    color: Literal["hls", "hsv"] = "hls"
    activations: tuple[str, ...] = ("sine", "sigmoid", "gaussian", "linear")
    initial_mutations: int = Field(default=40, ge=0, le=1000)
    weight_rate: float = Field(default=0.1, ge=0, le=1)
    weight_eta: float = Field(default=15, gt=0, le=1000)
    activation_rate: float = Field(default=0.1, ge=0, le=1)
    add_connection_rate: float = Field(default=0.5, ge=0, le=1)
    delete_connection_rate: float = Field(default=0.3, ge=0, le=1)
    add_node_rate: float = Field(default=0.5, ge=0, le=1)
    delete_node_rate: float = Field(default=0.2, ge=0, le=1)

    markings: ClassVar[bool] = True

    @field_validator("activations")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = _core.activation_names()
        if not names or len(set(names)) < len(names) or any(name not in known for name in names):
            raise ValueError(f"activations must be different names out of {', '.join(known)}")
        return names

    def start(self, count: int, *, shape: Shape, seed: int, markings: bool = False) -> CppnPopulation:
        """Makes `count` random genomes: every input connected to every output, then `initial_mutations` rounds."""
        genomes, innovations = _core.CppnGenomes.random(count, self, outputs=shape[0], keep_split=markings, seed=seed)
        return CppnPopulation(self, genomes, innovations, shape=shape, seed=seed, markings=markings)

    def restore(self, arrays: Arrays, *, shape: Shape, seed: int, markings: bool = False) -> CppnPopulation:
        """Rebuilds a population from `CppnPopulation.arrays`."""
        parts = dict(arrays)
        next_innovation, next_node = (int(value) for value in parts.pop("counters"))
        innovations = _core.Innovations(next_innovation=next_innovation, next_node=next_node)
        genomes = _genomes(parts, shape[0])
        innovations.check(genomes)
        return CppnPopulation(self, genomes, innovations, shape=shape, seed=seed, markings=markings)

    def of_json(self, texts: Sequence[str], *, shape: Shape) -> CppnPopulation:
        """Genomes from their JSON form, to be drawn; they have no innovations to go on with.

        Raises:
            ValueError: one is no genome, or draws other channels than those of `shape`.
        """
        genomes = _core.CppnGenomes.from_json(texts)
        if genomes.outputs != shape[0]:
            raise ValueError(f"genomes of {genomes.outputs} outputs do not draw {shape[0]} channels")
        innovations = _core.Innovations(next_innovation=0, next_node=0)
        return CppnPopulation(self, genomes, innovations, shape=shape, seed=0, markings=False)

    def species(self, count: int, settings: Any, arrays: Arrays | None = None) -> CppnSpecies:
        """See `Encoding.species`: species by compatibility distance, steered to a number of them."""
        if arrays is None:
            return CppnSpecies(_core.Species(count, settings), settings)
        texts = json.loads(arrays["species"].tobytes())
        if not isinstance(texts, list) or len(texts) != count:
            raise ValueError(f"the species are not those of {count} populations")
        return CppnSpecies(_core.Species.from_json(texts), settings)


def _genomes(arrays: Arrays, outputs: int) -> _core.CppnGenomes:
    parts = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    if parts["enabled"].dtype == np.bool_:
        parts["enabled"] = parts["enabled"].view(np.uint8)
    return _core.CppnGenomes.from_arrays(outputs, **parts)


@contextmanager
def _numbers_left() -> Iterator[None]:
    try:
        yield
    except OverflowError as error:
        raise RunError(f"There is no further generation: {error}.") from error


def _after(numbers: NDArray[Any]) -> int:
    """The first number after some, or the last that there is."""
    return min(int(numbers.max(initial=0)) + 1, np.iinfo(np.uint32).max)


class CppnPopulation:
    """A batch of CPPN genomes. Batches that descend from each other share one count of innovations."""

    parents = 1
    scalable = True
    operators = tuple(Operator(*one) for one in _core.operators())

    def __init__(
        self,
        encoding: Cppn,
        genomes: _core.CppnGenomes,
        innovations: _core.Innovations,
        *,
        shape: Shape,
        seed: int,
        markings: bool,
    ) -> None:
        self.encoding = encoding
        self.genomes = genomes
        self.shape = shape
        self._innovations = innovations
        self._seed = seed
        self._markings = markings

    def _with(self, genomes: _core.CppnGenomes) -> CppnPopulation:
        return CppnPopulation(
            self.encoding, genomes, self._innovations, shape=self.shape, seed=self._seed, markings=self._markings
        )

    def __len__(self) -> int:
        return len(self.genomes)

    def vary(self, matings: NDArray[np.uint32], *, generation: int) -> CppnPopulation:
        """See `Population.vary`. Two different parents are crossed by historical markings.

        Raises:
            RunError: the run has used up its innovation numbers.
        """
        with _numbers_left():
            children = self.genomes.vary(
                matings,
                self.encoding,
                keep_split=self._markings,
                keep_disabled=_KEEP_DISABLED,
                seed=self._seed,
                generation=generation,
                first_index=0,
                innovations=self._innovations,
            )
        return self._with(children)

    def breed(
        self, matings: NDArray[np.uint32], operators: NDArray[np.uint8], *, generation: int, first: int = 0
    ) -> CppnPopulation:
        """See `BreedingPopulation.breed`. `mix` alone takes something of the other parent.

        Raises:
            RunError: the run has used up its innovation numbers.
        """
        with _numbers_left():
            children = self.genomes.breed(
                matings,
                operators,
                self.encoding,
                seed=self._seed,
                generation=generation,
                first_index=first,
                innovations=self._innovations,
            )
        return self._with(children)

    def of_json(self, texts: Sequence[str]) -> CppnPopulation:
        """Genomes from their JSON form, drawn as those of this batch. They may be of another run.

        Raises:
            ValueError: one is no genome.
        """
        genomes = _core.CppnGenomes.from_json(texts)
        genes = genomes.arrays()
        # New genes of their children are numbered after theirs.
        innovations = _core.Innovations(
            next_innovation=max(self._innovations.next_innovation, _after(genes["innovations"])),
            next_node=max(self._innovations.next_node, _after(genes["node_ids"])),
        )
        return CppnPopulation(
            self.encoding, genomes, innovations, shape=self.shape, seed=self._seed, markings=self._markings
        )

    def descend(self, index: int, births: NDArray[np.uint32]) -> CppnPopulation:
        """The genome at `index` and its line of descendants, made again; one parent each, as `vary` mutates it.

        Args:
            index: the founder.
            births: rows (generation, child, mark), shape (N, 3); `find_descent` finds the marks.

        Returns:
            N + 1 genomes. Their historical markings agree within the line, not with those of the run.
        """
        return self._with(self.genomes.descend(index, births, self.encoding, seed=self._seed))

    def find_descent(self, index: int, births: NDArray[np.uint32], last: CppnPopulation) -> NDArray[np.bool_] | None:
        """The marks of `births` that lead from the genome at `index` to the first one of `last`, shape (N,).

        A mark says that a child's new genes have numbers in an unusual order, for a sibling had the same mutation. That is all
        that does not follow from parent, seed, generation and number. The marks that `births` have are tried first.

        Returns:
            The marks; None if there are none, or too many would have to be tried.
        """
        tries = _TRIED_BIRTHS // max(1, len(births))
        return self.genomes.find_descent(index, births, last.genomes, self.encoding, seed=self._seed, tries=tries)

    def take(self, indices: NDArray[np.integer[Any]]) -> CppnPopulation:
        """See `Population.take`."""
        return self._with(self.genomes.take(np.ascontiguousarray(indices, np.uint32)))

    def put(self, slots: NDArray[np.integer[Any]], other: CppnPopulation, indices: NDArray[np.integer[Any]]) -> None:
        """See `Population.put`."""
        self.genomes.put(
            np.ascontiguousarray(slots, np.uint32), other.genomes, np.ascontiguousarray(indices, np.uint32)
        )

    def relatives(self, arrays: Arrays) -> CppnPopulation:
        """See `Population.relatives`; they share this batch's count of innovations."""
        genes = {name: values for name, values in arrays.items() if name != "counters"}
        genomes = _genomes(genes, self.shape[0])
        self._innovations.check(genomes)
        return self._with(genomes)

    def concatenate(self, *others: CppnPopulation) -> CppnPopulation:
        """See `Population.concatenate`."""
        return self._with(_core.CppnGenomes.concatenate([self.genomes, *(other.genomes for other in others)]))

    def render(self, out: NDArray[np.uint8], *, first: int = 0) -> None:
        """See `Population.render`. `out` may be of any height and width: the same picture is drawn larger or smaller."""
        self.genomes.render(
            out,
            first=first,
            coordinates=self.encoding.coordinates,
            color=self.encoding.color,
            home=self.shape[1:],
        )

    def render_rows(self, out: NDArray[np.uint8], *, row: int, height: int) -> None:
        """Draws the rows from `row` on of pictures of `height` rows: the bytes that they have in the whole.

        Args:
            out: shape (N, channels, rows, width), uint8, C-contiguous.
            row: the first row.
            height: of the whole pictures; at most 65,536, as the width.
        """
        self.genomes.render(
            out,
            first=0,
            coordinates=self.encoding.coordinates,
            color=self.encoding.color,
            home=self.shape[1:],
            band=(row, height),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Population.arrays`."""
        counters = (self._innovations.next_innovation, self._innovations.next_node)
        return {**self.genomes.arrays(), "counters": np.array(counters, np.uint32)}

    def describe(self, index: int) -> dict[str, Any]:
        """The genome's documented JSON form."""
        genome: dict[str, Any] = json.loads(self.genomes.json(index))
        return genome


class CppnSpecies:
    """Species by compatibility distance (Stanley & Miikkulainen 2002, sections 3.3 and 4.1)."""

    def __init__(self, species: _core.Species, settings: Any) -> None:
        self._species = species
        self._settings = settings

    def reproduce(
        self,
        population: CppnPopulation,
        ends: NDArray[np.uint32],
        fitness: NDArray[np.float32],
        *,
        children: NDArray[np.uint32],
        seed: int,
        generation: int,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """See `Species.reproduce`."""
        return self._species.reproduce(
            population.genomes, ends, fitness, self._settings, children=children, seed=seed, generation=generation
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Species.arrays`."""
        return {"species": np.frombuffer(json.dumps(self._species.json()).encode(), np.uint8)}
