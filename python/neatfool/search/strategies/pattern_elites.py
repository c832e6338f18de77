"""MAP-Elites over classes, with operators that change whole pictures."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from neatfool import _core
from neatfool.encodings import Arrays, Population
from neatfool.search.strategies.map_elites import MapElitesStrategy
from neatfool.search.strategy import STRATEGIES, Offspring, Setting, paper_batch
from neatfool.shared.settings import Settings

_LEAST_ODDS = 0.02
_DRAWS = 2**32 - 1
_OPERATORS = 2**31
"""Children's numbers stay below; above are the draws of their operators."""


@STRATEGIES.register
class PatternElites(Settings):
    """MAP-Elites over classes whose children are made by any of the operators that the encoding offers, drawn uniformly.

    Those of CPPNs and of pixels move, turn, repeat, warp and recolour whole pictures and mix two of them. Parents are drawn
    from the cells in proportion to 0.02 + 4 p (1 - p), where p is the confidence of the elite: a step in the logit changes the
    confidence of those in the middle most. What this gains over `MapElites` is in docs/search.md. With an encoding that offers
    no operators it is `MapElites`.
    """

    name: Literal["pattern-elites"] = "pattern-elites"
    markings: ClassVar[bool] = False
    breeds_ahead: ClassVar[bool] = True

    def default_batch(self, cells: int) -> int:
        """See `StrategySettings.default_batch`."""
        return paper_batch(cells)

    def check(self, *, cells: int, batch: int) -> None:
        """See `StrategySettings.check`; any numbers will do."""

    def begin(self, setting: Setting, first: Population, fitness: NDArray[np.float32]) -> PatternElitesStrategy:
        """See `StrategySettings.begin`."""
        return PatternElitesStrategy(setting)

    def restore(self, setting: Setting, arrays: Arrays) -> PatternElitesStrategy:
        """See `StrategySettings.restore`."""
        return PatternElitesStrategy(setting)


class PatternElitesStrategy(MapElitesStrategy):
    """`PatternElites` between two generations; the archive is all the state there is."""

    def ask(self, generation: int) -> Offspring:
        """See `Strategy.ask`."""
        archive, batch, seed = self.setting.archive, self.setting.batch, self.setting.seed
        genomes: Any = archive.genomes
        if not genomes.operators:
            return super().ask(generation)
        confidence = archive.confidence.astype(np.float64)
        odds = np.cumsum(_LEAST_ODDS + 4 * confidence * (1 - confidence))
        draws = _core.draw_parents(batch, 2, _DRAWS, seed=seed, generation=generation, first_index=0)
        cells = np.searchsorted(odds, draws * (odds[-1] / _DRAWS), side="right").astype(np.uint32)
        operators = draw_operators(genomes, batch, seed=seed, generation=generation)
        alone = np.array([operator.parents == 1 for operator in genomes.operators])[operators]
        parents = archive.ids[cells]
        parents[alone | (parents[:, 0] == parents[:, 1]), 1] = -1
        matings = np.column_stack([cells, np.ones(batch, np.uint32)])
        children = genomes.breed(matings, operators, generation=generation)
        return Offspring(children, parents, archive.classes[cells[:, 0]])


def draw_operators(genomes: Population, count: int, *, seed: int, generation: int, first: int = 0) -> NDArray[np.uint8]:
    """The operators of the children of a generation from number `first` on, as places in `genomes.operators`; (count,)."""
    drawn = _core.draw_parents(
        count, 1, len(genomes.operators), seed=seed, generation=generation, first_index=_OPERATORS + first
    )
    return drawn[:, 0].astype(np.uint8)
