"""Evolve images that fool image classifiers, measure how easily a classifier is fooled, and harden it.

```python
import neatfool as nf

model = nf.load_classifier("lenet-mnist")
run = nf.evolve(model, encoding=nf.Cppn(), generations=200, seed=0)
run.archive.confidence  # (classes,) float32
run.archive.images()  # (classes, H, W[, 3]) uint8
```
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neatfool._core import __version__, set_threads

if TYPE_CHECKING:
    from neatfool import plots
    from neatfool.classifiers import Classifier
    from neatfool.ecosystem import from_ribs, to_ribs
    from neatfool.ecosystem.strategy import Ribs
    from neatfool.encodings import (
        ArrayEncoding,
        Cppn,
        Direct,
        Encoding,
        Operator,
        Population,
        Species,
        register_encoding,
    )
    from neatfool.errors import ConfigError, DataError, JudgeError, ModelError, NeatfoolError, RunError
    from neatfool.experiments.ascent import AscentSettings, ascend
    from neatfool.experiments.audit import audit, before_and_after, compare_audits
    from neatfool.experiments.diversity import diversity
    from neatfool.experiments.export import export
    from neatfool.experiments.hypothesis import hypothesis
    from neatfool.experiments.jobs import Result, resume
    from neatfool.experiments.repetition import repeat
    from neatfool.experiments.reproduction import reproduce
    from neatfool.experiments.retraining import RetrainSettings, retrain
    from neatfool.experiments.transfer import transfer
    from neatfool.models import list_models, load_classifier
    from neatfool.report import animate, poster, write_gallery, write_report
    from neatfool.runs import Judgement, RunFolder
    from neatfool.scaling import RayJudge
    from neatfool.search import (
        Archive,
        Confidence,
        EagerJudge,
        EvolveConfig,
        FunctionJudge,
        GenomeJudge,
        Judge,
        MapElites,
        MapElitesStrategy,
        Neat,
        Objective,
        Offspring,
        PatternElites,
        PatternElitesStrategy,
        Run,
        Search,
        Setting,
        Strategy,
        StrategySettings,
        evolve,
        register_objective,
        register_strategy,
    )
    from neatfool.shared.progress import Progress
    from neatfool.shared.settings import Settings
    from neatfool.training import accuracy
    from neatfool.watching import live, tensorboard

_HOMES = {
    "neatfool.classifiers": ("Classifier",),
    "neatfool.encodings": (
        "ArrayEncoding",
        "Cppn",
        "Direct",
        "Encoding",
        "Operator",
        "Population",
        "Species",
        "register_encoding",
    ),
    "neatfool.ecosystem": ("from_ribs", "to_ribs"),
    "neatfool.ecosystem.strategy": ("Ribs",),
    "neatfool.errors": ("ConfigError", "DataError", "JudgeError", "ModelError", "NeatfoolError", "RunError"),
    "neatfool.experiments.ascent": ("AscentSettings", "ascend"),
    "neatfool.experiments.audit": ("audit", "before_and_after", "compare_audits"),
    "neatfool.experiments.diversity": ("diversity",),
    "neatfool.experiments.export": ("export",),
    "neatfool.experiments.hypothesis": ("hypothesis",),
    "neatfool.experiments.jobs": ("Result", "resume"),
    "neatfool.experiments.repetition": ("repeat",),
    "neatfool.experiments.reproduction": ("reproduce",),
    "neatfool.experiments.retraining": ("RetrainSettings", "retrain"),
    "neatfool.experiments.transfer": ("transfer",),
    "neatfool.models": ("list_models", "load_classifier"),
    "neatfool.report": ("animate", "poster", "write_gallery", "write_report"),
    "neatfool.runs": ("Judgement", "RunFolder"),
    "neatfool.scaling": ("RayJudge",),
    "neatfool.search": (
        "Archive",
        "Confidence",
        "EagerJudge",
        "EvolveConfig",
        "FunctionJudge",
        "GenomeJudge",
        "Judge",
        "MapElites",
        "MapElitesStrategy",
        "Neat",
        "PatternElites",
        "PatternElitesStrategy",
        "Objective",
        "Offspring",
        "Run",
        "Search",
        "Setting",
        "Strategy",
        "StrategySettings",
        "evolve",
        "register_objective",
        "register_strategy",
    ),
    "neatfool.shared.progress": ("Progress",),
    "neatfool.shared.settings": ("Settings",),
    "neatfool.training": ("accuracy",),
    "neatfool.watching": ("live", "tensorboard"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # `__getattr__` has them
    "Archive",
    "ArrayEncoding",
    "AscentSettings",
    "Classifier",
    "Confidence",
    "ConfigError",
    "Cppn",
    "DataError",
    "Direct",
    "EagerJudge",
    "Encoding",
    "EvolveConfig",
    "FunctionJudge",
    "GenomeJudge",
    "Judge",
    "JudgeError",
    "Judgement",
    "MapElites",
    "MapElitesStrategy",
    "ModelError",
    "Neat",
    "NeatfoolError",
    "Objective",
    "Offspring",
    "Operator",
    "PatternElites",
    "PatternElitesStrategy",
    "Population",
    "Progress",
    "RayJudge",
    "Result",
    "RetrainSettings",
    "Ribs",
    "Run",
    "RunError",
    "RunFolder",
    "Search",
    "Setting",
    "Settings",
    "Species",
    "Strategy",
    "StrategySettings",
    "__version__",
    "accuracy",
    "animate",
    "ascend",
    "audit",
    "before_and_after",
    "compare_audits",
    "diversity",
    "evolve",
    "export",
    "from_ribs",
    "hypothesis",
    "list_models",
    "live",
    "load_classifier",
    "plots",
    "poster",
    "register_encoding",
    "register_objective",
    "register_strategy",
    "repeat",
    "reproduce",
    "resume",
    "retrain",
    "set_threads",
    "tensorboard",
    "to_ribs",
    "transfer",
    "write_gallery",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `neatfool --help` need not wait for torch."""
    if name == "plots":
        return import_module("neatfool.plots")
    if name not in _HOME:
        raise AttributeError(f"module 'neatfool' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
