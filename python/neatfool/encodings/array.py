"""Encodings of one's own in three methods: genomes that are rows of numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings.base import Arrays, Operator, Shape, Species
from neatfool.errors import ConfigError
from neatfool.shared.settings import Settings

Genes = NDArray[np.float64]


class ArrayEncoding(Settings):
    """Base class of encodings whose genomes are rows of numbers.

    Derive from it, give `name` a default, and define:

    - `random(count, shape, rng)`: the first genomes, float64 (count, genes);
    - `mutate(genes, rng)`: a changed copy of one genome, float64 (genes,);
    - `draw(genes, shape)`: the image of one genome, numbers in [0, 255] of a shape that broadcasts to `shape`.

    `rng` is a numpy generator; what comes of it must depend on nothing else that is random. `shape` is (channels, height,
    width). One genome is drawn at a time, in Python: fine to try an idea, slow beside the encodings in Rust.
    """

    name: str
    markings: ClassVar[bool] = False

    def random(self, count: int, shape: Shape, rng: np.random.Generator) -> Genes:
        """See the class."""
        raise NotImplementedError

    def mutate(self, genes: Genes, rng: np.random.Generator) -> Genes:
        """See the class."""
        raise NotImplementedError

    def draw(self, genes: Genes, shape: Shape) -> NDArray[Any]:
        """See the class."""
        raise NotImplementedError

    def start(self, count: int, *, shape: Shape, seed: int, markings: bool = False) -> ArrayPopulation:
        """See `Encoding.start`."""
        return ArrayPopulation(self, self.random(count, shape, np.random.default_rng((seed, 0))), shape, seed)

    def restore(self, arrays: Arrays, *, shape: Shape, seed: int, markings: bool = False) -> ArrayPopulation:
        """See `Encoding.restore`."""
        genes = np.array(arrays["genes"], np.float64)
        if genes.ndim != 2 or not np.isfinite(genes).all():
            raise ValueError(f"genes of shape {genes.shape} are no rows of finite numbers")
        return ArrayPopulation(self, genes, shape, seed)

    def species(self, count: int, settings: Any, arrays: Arrays | None = None) -> Species:
        """See `Encoding.species`; rows of numbers have no historical markings."""
        raise ConfigError(f"The {self.name} encoding has no species; choose another strategy.")


class ArrayPopulation:
    """A batch of genomes of an `ArrayEncoding`; `genes` is float64 (N, genes)."""

    parents = 1
    scalable = True
    operators: tuple[Operator, ...] = ()

    def __init__(self, encoding: ArrayEncoding, genes: Genes, shape: Shape, seed: int) -> None:
        self.encoding = encoding
        self.genes = genes
        self.shape = shape
        self._seed = seed

    def _with(self, genes: Genes) -> ArrayPopulation:
        return ArrayPopulation(self.encoding, genes, self.shape, self._seed)

    def __len__(self) -> int:
        return len(self.genes)

    def vary(self, matings: NDArray[np.uint32], *, generation: int) -> ArrayPopulation:
        """See `Population.vary`; mutates the first parent."""
        children = [
            self.encoding.mutate(self.genes[parent], np.random.default_rng((self._seed, generation, child)))
            for child, parent in enumerate(matings[:, 0])
        ]
        return self._with(np.array(children, np.float64).reshape(len(children), *self.genes.shape[1:]))

    def take(self, indices: NDArray[np.integer[Any]]) -> ArrayPopulation:
        """See `Population.take`."""
        return self._with(self.genes[indices])

    def put(self, slots: NDArray[np.integer[Any]], other: ArrayPopulation, indices: NDArray[np.integer[Any]]) -> None:
        """See `Population.put`."""
        self.genes[slots] = other.genes[indices]

    def concatenate(self, *others: ArrayPopulation) -> ArrayPopulation:
        """See `Population.concatenate`."""
        return self._with(np.concatenate([self.genes, *(other.genes for other in others)]))

    def render(self, out: NDArray[np.uint8], *, first: int = 0) -> None:
        """See `Population.render`."""
        shape = (out.shape[1], out.shape[2], out.shape[3])
        for image, genes in zip(out, self.genes[first:], strict=False):
            image[:] = np.clip(self.encoding.draw(genes, shape), 0, 255)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Population.arrays`."""
        return {"genes": self.genes.copy()}

    def relatives(self, arrays: Arrays) -> ArrayPopulation:
        """See `Population.relatives`."""
        return self.encoding.restore(arrays, shape=self.shape, seed=self._seed)

    def describe(self, index: int) -> dict[str, Any]:
        """The genes."""
        return {"format": self.encoding.name, "genes": self.genes[index].tolist()}
