"""Rank correlations between two ways of comparing the same things, with permutation tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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


def ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share their mean rank."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: NDArray[np.float64] = (last - (counts - 1) / 2)[group.reshape(-1)]
    return mean


def _standard_ranks(matrix: NDArray[np.floating], upper: tuple[NDArray[np.int64], ...]) -> NDArray[np.float64] | None:
    """The matrix with its pairs replaced by their ranks, of mean 0 and length 1; None if all pairs are equal."""
    ranked = ranks(matrix[upper]) if len(upper[0]) else np.zeros(0)
    ranked = ranked - ranked.mean() if len(ranked) else ranked
    length = float(np.sqrt(ranked @ ranked))
    if length == 0:
        return None
    result = np.zeros(matrix.shape)
    result[upper] = ranked / length
    return result + result.T


def overlap(sets: list[set[int]]) -> NDArray[np.float64]:
    """Jaccard's similarity of every two sets, members of both over members of either; (K, K), 1 on the diagonal."""
    members = {member: index for index, member in enumerate(sorted(set[int]().union(*sets)))}
    both = np.zeros((len(sets), len(sets)))
    step = 4096
    columns = [np.array(sorted(members[member] for member in chosen), np.int64) for chosen in sets]
    for start in range(0, len(members), step):
        held = np.zeros((len(sets), step), np.float32)
        for row, indices in enumerate(columns):
            low, high = np.searchsorted(indices, (start, start + step))
            held[row, indices[low:high] - start] = 1
        both += held @ held.T
    sizes = np.diag(both)
    either = sizes[:, None] + sizes[None] - both
    return np.divide(both, either, out=np.ones_like(both), where=either > 0)
