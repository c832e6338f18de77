"""How images are found."""

from neatfool.search.ancestry import Ancestors, replay_ancestors
from neatfool.search.archive import Archive, Member, confidence_statistics
from neatfool.search.config import EvolveConfig, build_config, read_config
from neatfool.search.evaluate import Evaluator, Profile
from neatfool.search.evolution import evolve, resume
from neatfool.search.inspection import inspect_elite, inspect_run
from neatfool.search.judge import EagerJudge, FunctionJudge, GenomeJudge, Judge, StreamingJudge
from neatfool.search.lineage import Birth, Lineage
from neatfool.search.loading import (
    as_judge,
    as_run,
    chosen_classes,
    folder_of,
    load_judge,
    load_run,
    load_search,
    ranges,
)
from neatfool.search.noise import check_repeats
from neatfool.search.objective import Confidence, Objective, register_objective
from neatfool.search.presets import PRESETS
from neatfool.search.run import Run
from neatfool.search.search import Search
from neatfool.search.strategies import MapElites, MapElitesStrategy, Neat, PatternElites, PatternElitesStrategy
from neatfool.search.strategy import (
    SMALL_CLASSIFIER,
    Offspring,
    Setting,
    Strategy,
    StrategySettings,
    register_strategy,
)

__all__ = [
    "PRESETS",
    "SMALL_CLASSIFIER",
    "Ancestors",
    "Archive",
    "Birth",
    "Confidence",
    "EagerJudge",
    "Evaluator",
    "EvolveConfig",
    "FunctionJudge",
    "GenomeJudge",
    "Judge",
    "Lineage",
    "MapElites",
    "MapElitesStrategy",
    "Member",
    "Neat",
    "Objective",
    "Offspring",
    "PatternElites",
    "PatternElitesStrategy",
    "Profile",
    "Run",
    "Search",
    "Setting",
    "Strategy",
    "StrategySettings",
    "StreamingJudge",
    "as_judge",
    "as_run",
    "build_config",
    "check_repeats",
    "chosen_classes",
    "confidence_statistics",
    "evolve",
    "folder_of",
    "inspect_elite",
    "inspect_run",
    "load_judge",
    "load_run",
    "load_search",
    "ranges",
    "read_config",
    "register_objective",
    "register_strategy",
    "replay_ancestors",
    "resume",
]
