"""The direct encoding: a gene for every pixel and channel."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from neatfool import _core
from neatfool.encodings.base import ENCODINGS, Arrays, Operator, Shape, Species
from neatfool.errors import ConfigError
from neatfool.shared.settings import Settings


@ENCODINGS.register
class Direct(Settings):
    """Settings of the direct encoding (paper section 2.3).

    The operators that change whole pictures, which the default strategy uses, have no settings; docs/search.md describes them.

    Attributes:
        color: how the three planes of a colour image are read: "hls" (the paper) or "hsv".
        initial_cells: the random start is so many random cells a side, enlarged smoothly; 0 makes every gene random, as the
            paper's start does.
        mutation_rate: chance that a gene mutates (polynomial mutation, Deb 2001).
        mutation_eta: distribution index of that mutation; larger stays closer.
        crossover_rate: chance that a child is made by simulated binary crossover (Deb & Agrawal 1995) rather than copied.
        crossover_eta: distribution index of the crossover.
        halve_every: generations after which the mutation rate halves, again and again; None keeps it.
    """

    name: Literal["direct"] = "direct"
    color: Literal["hls", "hsv"] = "hls"
    initial_cells: int = Field(default=3, ge=0, le=255)
    mutation_rate: float = Field(default=0.1, ge=0, le=1)
    mutation_eta: float = Field(default=15, gt=0, le=1000)
    crossover_rate: float = Field(default=0.5, ge=0, le=1)
    crossover_eta: float = Field(default=10, gt=0, le=1000)
    halve_every: int | None = Field(default=None, ge=1)

    markings: ClassVar[bool] = False

    def start(self, count: int, *, shape: Shape, seed: int, markings: bool = False) -> DirectPopulation:
        """Makes `count` images of random cells, or of uniform noise."""
        del markings  # a genome of pixels has no topology to mark
        if self.initial_cells:
            genomes = _core.DirectGenomes.smooth(count, shape=shape, cells=self.initial_cells, seed=seed)
        else:
            genomes = _core.DirectGenomes.random(count, length=shape[0] * shape[1] * shape[2], seed=seed)
        return DirectPopulation(self, genomes, shape, seed=seed)

    def restore(self, arrays: Arrays, *, shape: Shape, seed: int, markings: bool = False) -> DirectPopulation:
        """Rebuilds a population from `DirectPopulation.arrays`."""
        del markings
        genes = np.ascontiguousarray(arrays["genes"])
        if genes.ndim != 2 or genes.shape[1] != shape[0] * shape[1] * shape[2]:
            raise ValueError(f"genes of shape {genes.shape} do not make images of shape {shape}")
        return DirectPopulation(self, _core.DirectGenomes.from_array(genes), shape, seed=seed)

    def species(self, count: int, settings: Any, arrays: Arrays | None = None) -> Species:
        """See `Encoding.species`; a genome of pixels has no topology to compare."""
        raise ConfigError("The direct encoding has no species; choose the cppn encoding, or another strategy.")


class DirectPopulation:
    """A batch of directly encoded images."""

    parents = 2
    scalable = False
    operators = tuple(Operator(*one) for one in _core.direct_operators())

    def __init__(self, encoding: Direct, genomes: _core.DirectGenomes, shape: Shape, *, seed: int) -> None:
        self.encoding = encoding
        self.genomes = genomes
        self.shape = shape
        self._seed = seed

    def _with(self, genomes: _core.DirectGenomes) -> DirectPopulation:
        return DirectPopulation(self.encoding, genomes, self.shape, seed=self._seed)

    def __len__(self) -> int:
        return len(self.genomes)

    def vary(self, matings: NDArray[np.uint32], *, generation: int, first: int = 0) -> DirectPopulation:
        """See `Population.vary`; the children of a generation from number `first` on."""
        return self._with(
            self.genomes.vary(matings, self.encoding, seed=self._seed, generation=generation, first_index=first)
        )

    def breed(
        self, matings: NDArray[np.uint32], operators: NDArray[np.uint8], *, generation: int, first: int = 0
    ) -> DirectPopulation:
        """See `BreedingPopulation.breed`."""
        return self._with(
            self.genomes.breed(
                matings,
                operators,
                self.encoding,
                shape=self.shape,
                seed=self._seed,
                generation=generation,
                first_index=first,
            )
        )

    def take(self, indices: NDArray[np.integer[Any]]) -> DirectPopulation:
        """See `Population.take`."""
        return self._with(self.genomes.take(np.ascontiguousarray(indices, np.uint32)))

    def put(self, slots: NDArray[np.integer[Any]], other: DirectPopulation, indices: NDArray[np.integer[Any]]) -> None:
        """See `Population.put`."""
        self.genomes.put(
            np.ascontiguousarray(slots, np.uint32), other.genomes, np.ascontiguousarray(indices, np.uint32)
        )

    def concatenate(self, *others: DirectPopulation) -> DirectPopulation:
        """See `Population.concatenate`."""
        genes = np.concatenate([self.genomes.array(), *(other.genomes.array() for other in others)])
        return self._with(_core.DirectGenomes.from_array(genes))

    def relatives(self, arrays: Arrays) -> DirectPopulation:
        """See `Population.relatives`."""
        return self.encoding.restore(arrays, shape=self.shape, seed=self._seed)

    def render(self, out: NDArray[np.uint8], *, first: int = 0) -> None:
        """See `Population.render`."""
        if out.shape[1:] != self.shape:
            raise ValueError(f"out has images of shape {out.shape[1:]}, the genomes draw {self.shape}")
        self.genomes.render(out, first=first, color=self.encoding.color)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Population.arrays`."""
        return {"genes": self.genomes.array()}

    def describe(self, index: int) -> dict[str, Any]:
        """The shape and a summary of the genes in [0, 1]; the genes themselves are the picture."""
        genes = self.genomes.take(np.array([index], np.uint32)).array()[0] / 65535
        channels, height, width = self.shape
        return {
            "format": "neatfool-direct",
            "version": 1,
            "channels": channels,
            "height": height,
            "width": width,
            "gene_mean": round(float(genes.mean()), 6),
            "gene_std": round(float(genes.std()), 6),
        }
