"""MAP-Elites over classes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from neatfool import _core
from neatfool.encodings import Arrays, Population
from neatfool.search.strategy import STRATEGIES, Offspring, Setting, paper_batch
from neatfool.shared.settings import Settings


@STRATEGIES.register
class MapElites(Settings):
    """MAP-Elites over classes (paper section 2.2; Mouret & Clune 2015): one cell a class, each child tried on every cell.

    Parents are drawn uniformly from the cells, so that an individual holding k cells is k times as likely.
    """

    name: Literal["map-elites"] = "map-elites"
    markings: ClassVar[bool] = False
    breeds_ahead: ClassVar[bool] = True

    def default_batch(self, cells: int) -> int:
        """See `StrategySettings.default_batch`."""
        return paper_batch(cells)

    def check(self, *, cells: int, batch: int) -> None:
        """See `StrategySettings.check`; any numbers will do."""

    def begin(self, setting: Setting, first: Population, fitness: NDArray[np.float32]) -> MapElitesStrategy:
        """See `StrategySettings.begin`."""
        return MapElitesStrategy(setting)

    def restore(self, setting: Setting, arrays: Arrays) -> MapElitesStrategy:
        """See `StrategySettings.restore`."""
        return MapElitesStrategy(setting)


class MapElitesStrategy:
    """MAP-Elites between two generations; the archive is all the state there is."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def ask(self, generation: int) -> Offspring:
        """See `Strategy.ask`."""
        archive, batch = self.setting.archive, self.setting.batch
        cells = _core.draw_parents(batch, 2, len(archive), seed=self.setting.seed, generation=generation, first_index=0)
        if archive.genomes.parents == 1:
            cells[:, 1] = cells[:, 0]
        matings = np.column_stack([cells, np.ones(batch, np.uint32)])
        parents = archive.ids[cells]
        parents[parents[:, 0] == parents[:, 1], 1] = -1
        children = archive.genomes.vary(matings, generation=generation)
        return Offspring(children, parents, archive.classes[cells[:, 0]])

    def tell(
        self, offspring: Offspring, fitness: NDArray[np.float32], *, first_id: int, taken: NDArray[np.int64]
    ) -> None:
        """See `Strategy.tell`."""

    def living(self) -> NDArray[np.int64]:
        """See `Strategy.living`."""
        return np.empty(0, np.int64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Strategy.arrays`."""
        return {}
