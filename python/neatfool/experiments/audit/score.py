"""The fooling score: one number for how easily a classifier is fooled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 10_000
_LEVELS = (0.025, 0.975)


class Score(NamedTuple):
    """A fooling score, 0 (never fooled) to 100 (fooled at once), with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, mean: float, samples: NDArray[np.float64]) -> Score:
        """A score of a mean ease, 0 to 1, and of its bootstrap samples."""
        low, high = np.quantile(samples, _LEVELS)
        return cls(100 * float(mean), 100 * float(low), 100 * float(high))


def ease(passes: NDArray[np.int64], budget: int) -> NDArray[np.float64]:
    """How easily a class fell: 1 in the first pass, 0 in the last one or never, and in between evenly over their logarithm.

    The mean over classes is the area under the share of classes that have fallen, drawn over the logarithm of the passes.

    Args:
        passes: passes until it fell, from 1; 0 for never. Of any shape.
        budget: passes there were.
    """
    fallen = np.clip(passes, 1, budget)
    return np.where(passes > 0, 1 - np.log(fallen) / np.log(budget), 0.0)


def fooling_score(passes: NDArray[np.int64], budget: int) -> Score:
    """The mean ease over attacks, seeds and classes, times 100.

    The interval is a bootstrap over seeds, and over the classes of each (Davison & Hinkley 1997, section 3.8): what another
    audit of the same classifier, with other classes and seeds, would come to.

    Args:
        passes: of every attack, seed and class, int64 (attacks, seeds, classes); see `ease`.
        budget: passes there were for each.
    """
    easy = ease(passes, budget)
    return Score.of(easy.mean(), resampled(easy, np.random.default_rng(0)))


def resampled(values: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Means of bootstrap samples over seeds, and over the classes of each attack and seed, float64 (samples,).

    Args:
        values: float64 (attacks, seeds, classes).
        random: draws the samples.
    """
    attacks, seeds, classes = values.shape
    total: NDArray[np.float64] = np.zeros(_RESAMPLES)
    drawn_seeds = random.integers(seeds, size=(_RESAMPLES, seeds, 1))
    for attack in values:
        drawn_classes = random.integers(classes, size=(_RESAMPLES, seeds, classes))
        total += attack[drawn_seeds, drawn_classes].mean(axis=(1, 2))
    total /= attacks
    return total


def curve(passes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The share of classes that have fallen, as steps.

    Args:
        passes: of one attack, of any shape; see `ease`.

    Returns:
        The passes at which classes fell, ascending, each once; and the share of all that have fallen by then.
    """
    steps, counts = np.unique(passes[passes > 0], return_counts=True)
    return steps, np.cumsum(counts) / passes.size
