"""How images are found."""

from neatfool.search.archive import Archive, confidence_statistics
from neatfool.search.config import (
    PRESETS,
    EvolveConfig,
    MapElites,
    ModelConfig,
    Neat,
    build_config,
    check_settings,
    read_config,
)
from neatfool.search.inspection import draw_elite, inspect_elite, inspect_run
from neatfool.search.lineage import Birth, Lineage
from neatfool.search.run import (
    Run,
    classifier_of,
    describe_classifier,
    evolve,
    image_shape,
    load_model,
    load_run,
    model_of,
    resume,
)

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
    "check_settings",
    "classifier_of",
    "confidence_statistics",
    "describe_classifier",
    "draw_elite",
    "evolve",
    "image_shape",
    "inspect_elite",
    "inspect_run",
    "load_model",
    "load_run",
    "model_of",
    "read_config",
    "resume",
]
