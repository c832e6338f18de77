"""Places for the elites on a map: what a classifier sees alike lies close together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from neatfool.errors import ConfigError

_MISSING = (
    "The map of elites needs scikit-learn, which is not installed; run pip install 'neatfool[map]', or leave the map "
    "out with --no-map."
)


def require_map() -> None:
    """Raises ConfigError if scikit-learn, which the map needs, is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ConfigError(_MISSING) from error


def embed(features: NDArray[np.float32], *, seed: int) -> NDArray[np.float64]:
    """Places vectors on a plane by t-SNE with cosine distances (van der Maaten & Hinton 2008).

    Args:
        features: shape (N, F), N at least 2.
        seed: the same seed gives the same map, on one machine and release of scikit-learn.

    Returns:
        Positions (N, 2), scaled to [0, 1] along each axis.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    require_map()
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(lengths > 0, lengths, 1)
    size = len(unit)
    with threadpool_limits(limits=1):  # threads would add up gradients in changing orders
        left, scales, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
        reduced = (left * scales)[:, :50]
        start = reduced[:, :2] if reduced.shape[1] > 1 else np.column_stack([reduced, np.zeros(size)])
        # The width that scikit-learn gives its own start from principal components.
        start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4
        places: NDArray[np.float64] = (
            TSNE(perplexity=min(30, (size - 1) / 3), init=start.astype(np.float32), random_state=seed)
            .fit_transform(reduced)
            .astype(np.float64)
        )
    low, high = places.min(0), places.max(0)
    scaled: NDArray[np.float64] = (places - low) / np.where(high > low, high - low, 1)
    return scaled


def spread(places: NDArray[np.float64], *, columns: int, rows: int) -> NDArray[np.int64]:
    """Moves places to cells of a grid, one each, so that they move as little as possible in all (squared distance).

    Args:
        places: shape (N, 2), in [0, 1].
        columns: width of the grid.
        rows: its height; columns x rows is at least N.

    Returns:
        Column and row of each, int64 (N, 2).
    """
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    cells = np.column_stack([column.ravel(), row.ravel()])
    wanted = places * [columns - 1, rows - 1]
    cost = ((wanted[:, None] - cells[None]) ** 2).sum(2)
    _, chosen = linear_sum_assignment(cost)
    result: NDArray[np.int64] = cells[chosen]
    return result
