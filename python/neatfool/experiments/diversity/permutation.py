"""Permutation tests: are related things alike, and are those of one class?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform
from scipy.stats import rankdata


@dataclass(frozen=True)
class RankCorrelation:
    """A rank correlation over pairs of things.

    Attributes:
        rho: Spearman's rank correlation; NaN where one side is constant.
        p: share of permutations with a correlation at least as high, the observed order counted in (one-sided).
        pairs: number of pairs compared.
    """

    rho: float
    p: float
    pairs: int


def mantel(one: NDArray[np.floating], other: NDArray[np.floating], *, permutations: int, seed: int) -> RankCorrelation:
    """Spearman's correlation between the pairs of two symmetric matrices, tested by permuting things (Mantel 1967).

    Pairs share things and are not independent, so that the test relabels the things of one matrix, not the pairs.

    Args:
        one: shape (K, K); only pairs off the diagonal count.
        other: shape (K, K), over the same things.
        permutations: how many relabellings to draw.
        seed: of the draws.
    """
    size = len(one)
    upper = np.triu_indices(size, 1)
    first, second = _standard_ranks(one, upper), _standard_ranks(other, upper)
    pairs = len(upper[0])
    if first is None or second is None:
        return RankCorrelation(float("nan"), float("nan"), pairs)
    rho = float(np.vdot(first, second)) / 2
    rng = np.random.default_rng(seed)
    reached = 1
    for _ in range(permutations):
        order = rng.permutation(size)
        reached += float(np.vdot(first, second[order][:, order])) / 2 >= rho - 1e-12
    return RankCorrelation(rho, reached / (permutations + 1), pairs)


def _standard_ranks(matrix: NDArray[np.floating], upper: tuple[NDArray[np.int64], ...]) -> NDArray[np.float64] | None:
    """The matrix with its pairs replaced by their ranks, of mean 0 and length 1; None if all pairs are equal."""
    ranked = rankdata(matrix[upper])
    length = np.linalg.norm(ranked - ranked.mean()) if len(ranked) else 0
    return np.asarray(squareform((ranked - ranked.mean()) / length)) if length > 0 else None


def same_class_test(distance: NDArray[np.float32], *, permutations: int, seed: int) -> tuple[float, float]:
    """Whether elites of one class are closer to each other than those of two classes, in different runs.

    Args:
        distance: shape (R, K, R, K), between all elites.
        permutations: how many relabellings of the classes of each run to draw.
        seed: of the draws.

    Returns:
        The chance that a pair of one class is closer than a pair of two, and the share of relabellings that bring
        elites of one class as close on average, the observed labels counted in; NaN for a single class.
    """
    count, size = distance.shape[:2]
    if size < 2:
        return float("nan"), float("nan")
    apart = ~np.eye(size, dtype=bool)
    blocks = [(one, other, distance[one, :, other]) for one in range(count) for other in range(one + 1, count)]
    same = np.concatenate([np.diag(block) for _, _, block in blocks])
    different = np.concatenate([block[apart] for _, _, block in blocks])
    position = rankdata(np.concatenate([same, different]))[: len(same)]
    higher = position.sum() - len(same) * (len(same) + 1) / 2
    closer = 1 - float(higher) / (len(same) * len(different))

    rng = np.random.default_rng(seed)
    observed = float(same.mean(dtype=np.float64))
    reached = 1
    for _ in range(permutations):
        orders = [rng.permutation(size) for _ in range(count)]
        mean = np.mean([block[orders[one], orders[other]] for one, other, block in blocks], dtype=np.float64)
        reached += float(mean) <= observed + 1e-12
    return closer, reached / (permutations + 1)
