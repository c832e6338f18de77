"""NEAT: a speciated population for every class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool import _core
from neatfool.encodings import CppnPopulation
from neatfool.errors import ConfigError
from neatfool.runs import expect
from neatfool.search.archive import Archive
from neatfool.search.config import Neat
from neatfool.search.lineage import Lineage
from neatfool.search.strategy import Proposal


class NeatSearch:
    """NEAT (Stanley & Miikkulainen 2002), one population a class, its fitness the confidence for that class.

    The children of all populations are varied, drawn and scored as one batch. Species champions live on with their known
    fitness and are not scored again. Every child also competes for every cell of the archive; one that takes the cell of
    another class joins that class's population.
    """

    def __init__(
        self,
        archive: Archive[CppnPopulation],
        lineage: Lineage,
        settings: Neat,
        *,
        pool: CppnPopulation,
        owner: NDArray[np.int64],
        ids: NDArray[np.int64],
        fitness: NDArray[np.float32],
        species: _core.Species,
        batch: int,
        seed: int,
    ) -> None:
        self.archive = archive
        self.lineage = lineage
        self._settings = settings
        self._pool = pool
        self._owner = owner
        self._ids = ids
        self._fitness = fitness
        self._species = species
        self._batch = batch
        self._seed = seed

    @classmethod
    def begin(
        cls,
        archive: Archive[CppnPopulation],
        lineage: Lineage,
        settings: Neat,
        *,
        first: CppnPopulation,
        scores: NDArray[np.float32],
        batch: int,
        seed: int,
    ) -> NeatSearch:
        """Founds each population with the individuals of generation 0 that its class likes best."""
        cells = len(archive)
        if batch < 2 * cells:
            raise ConfigError(
                f"The neat strategy breeds a population for each of {cells} classes, so a batch of {batch} is too small; "
                f"raise --batch to {2 * cells} or more (20 a class works well), or choose fewer --classes."
            )
        sizes = np.minimum(_shares(batch, cells), len(first))
        ranked = np.argsort(-scores[:, archive.classes], axis=0, kind="stable")
        ids = np.concatenate([ranked[:size, cell] for cell, size in enumerate(sizes)])
        owner = np.repeat(np.arange(cells), sizes)
        return cls(
            archive,
            lineage,
            settings,
            pool=first.take(ids),
            owner=owner,
            ids=ids,
            fitness=scores[ids, archive.classes[owner]],
            species=_core.Species(cells, settings),
            batch=batch,
            seed=seed,
        )

    @classmethod
    def restored(
        cls,
        archive: Archive[CppnPopulation],
        lineage: Lineage,
        settings: Neat,
        arrays: Mapping[str, NDArray[Any]],
        *,
        pool: CppnPopulation,
        batch: int,
        seed: int,
    ) -> NeatSearch:
        """The search as it was when `arrays` and its pool were stored."""
        size, source = len(pool), "the checkpoint"
        species = json.loads(expect(arrays, "species", np.uint8, ndim=1, source=source).tobytes())
        owner = expect(arrays, "owner", np.int64, (size,), ndim=1, source=source)
        if (
            not isinstance(species, list)
            or not all(isinstance(text, str) for text in species)
            or len(species) != len(archive)
            or not ((owner >= 0) & (owner < len(archive))).all()
            or (np.diff(owner) < 0).any()
        ):
            raise ValueError("its populations are not those of the archive's classes")
        return cls(
            archive,
            lineage,
            settings,
            pool=pool,
            owner=owner,
            ids=expect(arrays, "ids", np.int64, (size,), ndim=1, source=source),
            fitness=expect(arrays, "fitness", np.float32, (size,), ndim=1, source=source),
            species=_core.Species.from_json(species),
            batch=batch,
            seed=seed,
        )

    def propose(self, generation: int) -> Proposal:
        """See `Strategy.propose`."""
        shares = _shares(self._batch, len(self.archive))
        kept, rows = self._species.reproduce(
            self._pool.genomes,
            np.searchsorted(self._owner, np.arange(len(self.archive)), side="right").astype(np.uint32),
            self._fitness,
            self._settings,
            children=shares.astype(np.uint32),
            seed=self._seed,
            generation=generation,
        )
        parents = self._ids[rows[:, :2]]
        parents[rows[:, 0] == rows[:, 1], 1] = -1
        children = self._pool.vary(rows, generation=generation)
        return Proposal(children, parents, np.repeat(self.archive.classes, shares), kept=kept.astype(np.int64))

    def accept(self, proposal: Proposal, scores: NDArray[np.float32], *, first_id: int, generation: int) -> int:
        """See `Strategy.accept`."""
        children, kept = proposal.children, proposal.kept
        ids = first_id + np.arange(len(children))
        owner = np.repeat(np.arange(len(self.archive)), _shares(self._batch, len(self.archive)))
        taken = self.archive.add(children, scores, first_id=first_id, generation=generation)
        self.lineage.add(
            ids.tolist(), map(tuple, proposal.parents.tolist()), proposal.classes.tolist(), generation=generation
        )
        cells = np.flatnonzero(taken >= 0)
        joining = cells[owner[taken[cells]] != cells]
        guests = taken[joining]

        owners = np.concatenate([self._owner[kept], owner, joining])
        order = np.argsort(owners, kind="stable")
        own = scores[np.arange(len(children)), proposal.classes]
        arrived = scores[guests, self.archive.classes[joining]]
        self._pool = self._pool.take(kept).concatenate(children, children.take(guests)).take(order)
        self._ids = np.concatenate([self._ids[kept], ids, ids[guests]])[order]
        self._fitness = np.concatenate([self._fitness[kept], own, arrived])[order]
        self._owner = owners[order]
        return len(cells)

    def living(self) -> NDArray[np.int64]:
        """See `Strategy.living`."""
        return np.concatenate([self.archive.ids, self._ids])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Strategy.arrays`."""
        species = json.dumps(self._species.json()).encode()
        # The archive's genomes carry the count of innovations for both.
        pool = {f"pool.{name}": values for name, values in self._pool.genomes.arrays().items()}
        state: dict[str, NDArray[Any]] = {"owner": self._owner, "ids": self._ids, "fitness": self._fitness}
        return {**pool, **state, "species": np.frombuffer(species, np.uint8)}


def _shares(batch: int, cells: int) -> NDArray[np.int64]:
    """Children of each population: as equal as whole numbers allow."""
    return np.full(cells, batch // cells, np.int64) + (np.arange(cells) < batch % cells)
