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
    from neatfool.classifiers import Classifier
    from neatfool.encodings import Cppn, Direct
    from neatfool.errors import ConfigError, DataError, ModelError, NeatfoolError, RunError
    from neatfool.models import load_classifier
    from neatfool.runs import RunFolder
    from neatfool.search import MapElites, Neat, Run, evolve, resume

__all__ = [
    "Classifier",
    "ConfigError",
    "Cppn",
    "DataError",
    "Direct",
    "MapElites",
    "ModelError",
    "Neat",
    "NeatfoolError",
    "Run",
    "RunError",
    "RunFolder",
    "__version__",
    "evolve",
    "load_classifier",
    "resume",
    "set_threads",
]

_HOMES = {
    "neatfool.classifiers": ("Classifier",),
    "neatfool.models": ("load_classifier",),
    "neatfool.encodings": ("Cppn", "Direct"),
    "neatfool.errors": ("ConfigError", "DataError", "ModelError", "NeatfoolError", "RunError"),
    "neatfool.runs": ("RunFolder",),
    "neatfool.search": ("MapElites", "Neat", "Run", "evolve", "resume"),
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `neatfool --help` need not wait for torch."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'neatfool' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
