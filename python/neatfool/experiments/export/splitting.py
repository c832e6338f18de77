"""Training and validation: whole groups go to one or the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def split_groups(groups: NDArray[np.int64], *, share: float, seed: int) -> NDArray[np.bool_]:
    """Draws the images for validation, whole groups at a time.

    Groups come in random order, and each is taken that still fits into the share.

    Args:
        groups: group of each image, numbered from 0, int64 (N,).
        share: of all images, in [0, 1). At least one image stays for training.
        seed: the same seed and groups give the same split.

    Returns:
        Which images are for validation, (N,); fewer than the share where the groups are too large for it.
    """
    room = wanted_count(len(groups), share)
    sizes = np.bincount(groups)
    taken = np.zeros(len(sizes), np.bool_)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[group] <= room:
            taken[group] = True
            room -= int(sizes[group])
    return taken[groups]


def wanted_count(images: int, share: float) -> int:
    """How many of the images a share is."""
    return min(round(share * images), images - 1)
