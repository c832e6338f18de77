"""Ways of searching."""

from neatfool.search.strategies.map_elites import MapElites, MapElitesStrategy
from neatfool.search.strategies.neat import Neat
from neatfool.search.strategies.pattern_elites import PatternElites, PatternElitesStrategy, draw_operators

__all__ = ["MapElites", "MapElitesStrategy", "Neat", "PatternElites", "PatternElitesStrategy", "draw_operators"]
