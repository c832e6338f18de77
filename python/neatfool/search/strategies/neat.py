"""NEAT: a speciated population for every class."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from neatfool.encodings import Arrays, Population, Species
from neatfool.errors import ConfigError, RunError
from neatfool.runs import expect, under
from neatfool.search.strategy import STRATEGIES, Offspring, Setting, paper_batch
from neatfool.shared.settings import Settings

_CHILDREN_OF_A_CLASS = 20


@STRATEGIES.register
class Neat(Settings):
    """NEAT (Stanley & Miikkulainen 2002): one speciated population a class, with crossover by historical markings.

    Attributes:
        target_species: number of species the compatibility threshold is steered towards, in each population.
        excess_coefficient: weight of excess genes in the compatibility distance.
        disjoint_coefficient: weight of disjoint genes.
        weight_coefficient: weight of the mean weight difference of matching genes (weights lie in [-10, 10]).
        activation_coefficient: weight of the share of common nodes whose activations differ.
        initial_threshold: compatibility threshold of the first generation.
        stagnation: generations without a better champion after which a species gets no more offspring.
        species_elitism: number of best species that stagnation spares.
        elitism_size: species of at least this many members keep their champion unchanged.
        survival: best share of a species that may become parents.
        crossover_rate: chance that a child has two parents.
        interspecies_rate: chance that the second parent is of another species.
    """

    name: Literal["neat"] = "neat"
    markings: ClassVar[bool] = True
    target_species: int = Field(default=4, ge=1, le=1_000_000)
    excess_coefficient: float = Field(default=1.0, ge=0, le=3e38)
    disjoint_coefficient: float = Field(default=1.0, ge=0, le=3e38)
    weight_coefficient: float = Field(default=0.1, ge=0, le=3e38)
    activation_coefficient: float = Field(default=0.5, ge=0, le=3e38)
    initial_threshold: float = Field(default=1.0, ge=1e-30, le=3e38)
    stagnation: int = Field(default=15, ge=1, lt=2**32)
    species_elitism: int = Field(default=1, ge=0, le=1_000_000)
    elitism_size: int = Field(default=1, ge=1, le=1_000_000)
    survival: float = Field(default=0.3, gt=0, le=1)
    crossover_rate: float = Field(default=0.5, ge=0, le=1)
    interspecies_rate: float = Field(default=0.01, ge=0, le=1)

    def default_batch(self, cells: int) -> int:
        """See `StrategySettings.default_batch`."""
        return max(paper_batch(cells), _CHILDREN_OF_A_CLASS * cells)

    def check(self, *, cells: int, batch: int) -> None:
        """See `StrategySettings.check`."""
        if batch < 2 * cells:
            raise ConfigError(
                f"The neat strategy breeds a population for each of {cells} classes, so a batch of {batch} is too small; "
                f"raise --batch to {2 * cells} or more (20 a class works well), or choose fewer --classes."
            )

    def begin(self, setting: Setting, first: Population, fitness: NDArray[np.float32]) -> NeatStrategy:
        """Founds each population with the individuals of generation 0 that are the fittest for its class."""
        cells = len(setting.archive)
        sizes = np.minimum(_shares(setting.batch, cells), len(first))
        ranked = np.argsort(-fitness, axis=0, kind="stable")
        ids = np.concatenate([ranked[:size, cell] for cell, size in enumerate(sizes)])
        owner = np.repeat(np.arange(cells), sizes)
        return NeatStrategy(
            setting,
            pool=first.take(ids),
            owner=owner,
            ids=ids,
            fitness=fitness[ids, owner],
            species=setting.encoding.species(cells, self),
        )

    def restore(self, setting: Setting, arrays: Arrays) -> NeatStrategy:
        """See `StrategySettings.restore`."""
        cells = len(setting.archive)
        pool = setting.archive.genomes.relatives(under(arrays, "pool."))
        size = len(pool)
        owner = expect(arrays, "owner", np.int64, (size,), ndim=1)
        fitness = expect(arrays, "fitness", np.float32, (size,), ndim=1)
        expect(arrays, "species", np.uint8, ndim=1)
        if not ((owner >= 0) & (owner < cells)).all() or (np.diff(owner) < 0).any() or len(np.unique(owner)) < cells:
            raise RunError("The checkpoint's populations are not those of the archive's classes; it is damaged.")
        if not (fitness >= 0).all() or not np.isfinite(fitness).all():
            raise RunError("The checkpoint holds an impossible fitness; it is damaged.")
        return NeatStrategy(
            setting,
            pool=pool,
            owner=owner,
            ids=expect(arrays, "ids", np.int64, (size,), ndim=1),
            fitness=fitness,
            species=setting.encoding.species(cells, self, arrays),
        )


class NeatStrategy:
    """NEAT between two generations.

    The children of all populations are varied, drawn and scored as one batch. Species champions live on with their known
    fitness and are not scored again. A child that takes the cell of another class joins that class's population.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        pool: Population,
        owner: NDArray[np.int64],
        ids: NDArray[np.int64],
        fitness: NDArray[np.float32],
        species: Species,
    ) -> None:
        self._setting = setting
        self._pool = pool
        self._owner = owner  # rising: the pool lies population by population
        self._ids = ids
        self._fitness = fitness
        self._species = species
        self._kept = np.empty(0, np.uint32)
        self._children = _shares(setting.batch, len(setting.archive))

    def ask(self, generation: int) -> Offspring:
        """See `Strategy.ask`."""
        if (self._fitness < 0).any():
            raise ConfigError(
                "The neat strategy shares fitness, so its objective must not be negative; choose another."
            )
        ends = np.cumsum(np.bincount(self._owner, minlength=len(self._children)))
        self._kept, matings = self._species.reproduce(
            self._pool,
            ends.astype(np.uint32),
            self._fitness,
            children=self._children.astype(np.uint32),
            seed=self._setting.seed,
            generation=generation,
        )
        parents = self._ids[matings[:, :2]]
        parents[matings[:, 0] == matings[:, 1], 1] = -1
        children = self._pool.vary(matings, generation=generation)
        return Offspring(children, parents, np.repeat(self._setting.archive.classes, self._children))

    def tell(
        self, offspring: Offspring, fitness: NDArray[np.float32], *, first_id: int, taken: NDArray[np.int64]
    ) -> None:
        """See `Strategy.tell`."""
        children, kept = offspring.genomes, self._kept
        ids = first_id + np.arange(len(children))
        owner = np.repeat(np.arange(len(taken)), self._children)
        cells = np.flatnonzero(taken >= 0)
        joining = cells[owner[taken[cells]] != cells]
        guests = taken[joining]

        owners = np.concatenate([self._owner[kept], owner, joining])
        order = np.argsort(owners, kind="stable")
        own = fitness[np.arange(len(children)), owner]
        self._pool = self._pool.take(kept).concatenate(children, children.take(guests)).take(order)
        self._ids = np.concatenate([self._ids[kept], ids, ids[guests]])[order]
        self._fitness = np.concatenate([self._fitness[kept], own, fitness[guests, joining]])[order]
        self._owner = owners[order]

    def living(self) -> NDArray[np.int64]:
        """See `Strategy.living`."""
        return self._ids

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Strategy.arrays`."""
        pool = {f"pool.{name}": values for name, values in self._pool.arrays().items()}
        state: dict[str, NDArray[Any]] = {"owner": self._owner, "ids": self._ids, "fitness": self._fitness}
        return {**pool, **state, **self._species.arrays()}


def _shares(batch: int, cells: int) -> NDArray[np.int64]:
    """Children of each population: as equal as whole numbers allow."""
    return np.full(cells, batch // cells, np.int64) + (np.arange(cells) < batch % cells)
