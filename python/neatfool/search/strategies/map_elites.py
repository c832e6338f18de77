"""MAP-Elites over classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool import _core
from neatfool.search.archive import Archive
from neatfool.search.lineage import Lineage
from neatfool.search.strategy import Proposal


class MapElitesSearch:
    """MAP-Elites over classes (paper section 2.2; Mouret & Clune 2015).

    Parents are drawn uniformly from the cells, so that an individual holding k cells is k times as likely.
    """

    def __init__(self, archive: Archive[Any], lineage: Lineage, *, parents: int, batch: int, seed: int) -> None:
        self.archive = archive
        self.lineage = lineage
        self._parents = parents
        self._batch = batch
        self._seed = seed

    def propose(self, generation: int) -> Proposal:
        """See `Strategy.propose`."""
        cells = _core.draw_parents(
            self._batch, 2, len(self.archive), seed=self._seed, generation=generation, first_index=0
        )
        if self._parents == 1:
            cells[:, 1] = cells[:, 0]
        matings = np.column_stack([cells, np.ones(self._batch, np.uint32)])
        parents = self.archive.ids[cells]
        parents[parents[:, 0] == parents[:, 1], 1] = -1
        children = self.archive.genomes.vary(matings, generation=generation)
        return Proposal(children, parents, self.archive.classes[cells[:, 0]])

    def accept(self, proposal: Proposal, scores: NDArray[np.float32], *, first_id: int, generation: int) -> int:
        """See `Strategy.accept`."""
        taken = self.archive.add(proposal.children, scores, first_id=first_id, generation=generation)
        winners = np.unique(taken[taken >= 0])
        self.lineage.add(
            (first_id + winners).tolist(),
            map(tuple, proposal.parents[winners].tolist()),
            proposal.classes[winners].tolist(),
            generation=generation,
        )
        return int((taken >= 0).sum())

    def living(self) -> NDArray[np.int64]:
        """See `Strategy.living`."""
        ids: NDArray[np.int64] = self.archive.ids
        return ids

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Strategy.arrays`; the archive is all the state there is."""
        return {}
