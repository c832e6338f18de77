"""Which images are near-copies of each other, so that no training set may hold one and a validation set the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from neatfool.experiments.export.sources import RunImages
from neatfool.shared.pixels import as_picture

NEAR = 0.05
"""Pictures whose mean absolute difference is at most this are near-copies; 1 is black to white."""

COMPARED_SIDE = 32
"""Side to which pictures are brought before they are compared."""

_AT_ONCE = 256


def thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is compared of pictures of any size, gray or RGB.

    Args:
        pixels: uint8 (N, channels, height, width).

    Returns:
        The pictures in RGB, averaged to 32 x 32, flat: uint8 (N, 3072).
    """
    side = (COMPARED_SIDE, COMPARED_SIDE)
    small = [np.asarray(as_picture(one).convert("RGB").resize(side, Image.Resampling.BOX)).ravel() for one in pixels]
    return np.stack(small)


def find_groups(
    runs: Sequence[RunImages], chosen: Sequence[NDArray[np.int64]], small: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Groups of images, such that those of different groups are neither relatives nor near-copies.

    Two images are relatives if their individuals descend from a common one, in one run or in several that began with the
    same random individuals; those of a run that keeps no ancestry all are, unless it made each image by itself. Near-copies
    are at most `NEAR` apart. A group is what chains of these connect.

    Args:
        runs: where the images come from.
        chosen: rows of each run that are meant.
        small: their thumbnails, in the same order, uint8 (N, 3072).

    Returns:
        The group of each, numbered from 0 in the order of their first images, int64 (N,).
    """
    groups = _families(runs, chosen)
    limit = NEAR * 255 * small.shape[1]
    values = small.astype(np.float64)  # sums of whole numbers, the same on every machine
    for start in range(0, len(values), _AT_ONCE):
        apart = cdist(values[start : start + _AT_ONCE], values[start:], "cityblock")
        one, other = np.nonzero(apart <= limit)
        groups = _joined(groups, one + start, other + start)
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def _families(runs: Sequence[RunImages], chosen: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Numbers that relatives have in common, int64 (N,)."""
    nodes: dict[object, int] = {}
    held: list[int] = []
    edges: list[tuple[int, int]] = []

    def node(key: object) -> int:
        return nodes.setdefault(key, len(nodes))

    for number, (run, rows) in enumerate(zip(runs, chosen, strict=True)):
        if run.lineage is None:
            alone = run.command == "ascend"
            held += [node((number, int(row) if alone else None)) for row in rows]
            continue
        births = run.lineage.array()
        where = {
            int(individual): node((number, individual) if first >= 0 else (run.start, individual))
            for individual, first in births[:, :2].tolist()
        }
        for individual, first, second in births[:, :3].tolist():
            edges += [(where[individual], where[parent]) for parent in (first, second) if parent >= 0]
        held += [where[individual] for individual in run.ids[rows].tolist()]
    one, other = np.array(edges, np.int64).reshape(-1, 2).T
    return _joined(np.arange(len(nodes)), one, other)[held]


def _joined(groups: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """The groups, those of `one` joined with those of `other`."""
    size = int(groups.max()) + 1
    graph = coo_array((np.ones(len(one), np.int8), (groups[one], groups[other])), (size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)[groups]
