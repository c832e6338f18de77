"""Ways of searching."""

from neatfool.search.strategies.map_elites import MapElites, MapElitesStrategy
from neatfool.search.strategies.neat import Neat

__all__ = ["MapElites", "MapElitesStrategy", "Neat"]
