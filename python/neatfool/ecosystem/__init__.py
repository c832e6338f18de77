"""Other programs' forms of what is found here: pyribs."""

from neatfool.ecosystem.elites import from_ribs, to_ribs

__all__ = ["from_ribs", "to_ribs"]
