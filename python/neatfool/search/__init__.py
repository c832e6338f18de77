"""How images are found."""

from neatfool.search.archive import Archive
from neatfool.search.config import PRESETS, EvolveConfig, MapElites, ModelConfig, Neat, build_config, read_config
from neatfool.search.evolve import Run, evolve, load_run, resume
from neatfool.search.inspection import draw_elite, inspect_elite, inspect_run
from neatfool.search.lineage import Birth, Lineage

__all__ = [
    "PRESETS",
    "Archive",
    "Birth",
    "EvolveConfig",
    "Lineage",
    "MapElites",
    "ModelConfig",
    "Neat",
    "Run",
    "build_config",
    "draw_elite",
    "evolve",
    "inspect_elite",
    "inspect_run",
    "load_run",
    "read_config",
    "resume",
]
