"""What a search strategy is: it proposes children, and takes them in with their scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neatfool.search.archive import Archive
from neatfool.search.lineage import Lineage


@dataclass(frozen=True)
class Proposal:
    """The children of a generation, not yet judged.

    Attributes:
        children: N genomes.
        parents: ids of the two parents of each, -1 for none; shape (N, 2), int64.
        classes: class each first parent was drawn for, shape (N,), int64.
        kept: indices of the strategy's own individuals that live on unchanged.
    """

    children: Any
    parents: NDArray[np.int64]
    classes: NDArray[np.int64]
    kept: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


class Strategy(Protocol):
    """A way of searching. The archive of elites is the result of every one."""

    archive: Archive[Any]
    lineage: Lineage

    def propose(self, generation: int) -> Proposal:
        """Makes the children of a generation; depends on the seed, the generation and the state only."""

    def accept(self, proposal: Proposal, scores: NDArray[np.float32], *, first_id: int, generation: int) -> int:
        """Takes children in with their confidences, shape (N, all classes); returns how many cells got a better elite."""

    def living(self) -> NDArray[np.int64]:
        """Ids of all individuals that may still become parents or results."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The strategy's own state beside archive and lineage, for a checkpoint."""
