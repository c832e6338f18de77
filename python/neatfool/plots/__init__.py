"""Charts of runs and results for papers, notebooks and pages of your own.

Those of a run take a `Run`, a `RunFolder` or a path and return matplotlib's `Axes`: the ones given as ``ax``, or new ones in
a figure of their own, ``ax.figure``. Those of an experiment take its result and return a `Figure`, or a picture. pyplot is
not used, and matplotlib's settings are left as they are.
"""

from neatfool.plots.descent import lineage, takeovers
from neatfool.plots.elites import archive
from neatfool.plots.network import genome
from neatfool.plots.progress import comparison, confidence
from neatfool.plots.results import (
    detectors,
    distances,
    diversity_map,
    fooling_curves,
    hypothesis,
    repetition,
    retraining,
    score,
    transfer,
)

__all__ = [
    "archive",
    "comparison",
    "confidence",
    "detectors",
    "distances",
    "diversity_map",
    "fooling_curves",
    "genome",
    "hypothesis",
    "lineage",
    "repetition",
    "retraining",
    "score",
    "takeovers",
    "transfer",
]
