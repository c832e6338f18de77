"""Ways of searching."""

from neatfool.search.strategies.map_elites import MapElites
from neatfool.search.strategies.neat import Neat

__all__ = ["MapElites", "Neat"]
