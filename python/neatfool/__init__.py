"""Evolve images that fool image classifiers, measure how easily a classifier is fooled, and harden it.

import neatfool as nf

model = nf.load_classifier("lenet-mnist")
run = nf.evolve(model, encoding=nf.Cppn(), generations=200, seed=0)
run.archive.confidence  # (classes,) float32
run.archive.images()  # (classes, H, W[, 3]) uint8
"""

from neatfool._core import __version__, set_threads
from neatfool.classifiers import Classifier, load_classifier
from neatfool.encodings import Cppn, Direct
from neatfool.errors import ConfigError, DataError, ModelError, NeatfoolError, RunError
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
