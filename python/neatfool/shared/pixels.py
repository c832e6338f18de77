"""Layouts of images."""

import numpy as np
from numpy.typing import NDArray


def for_looking(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From (N, channels, H, W), as networks take images, to (N, H, W) gray or (N, H, W, 3) RGB, as people's programs do."""
    return pixels[:, 0] if pixels.shape[1] == 1 else np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def planes(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From (H, W) gray or (H, W, 3) RGB to (channels, H, W)."""
    return picture[None] if picture.ndim == 2 else np.ascontiguousarray(picture.transpose(2, 0, 1))
