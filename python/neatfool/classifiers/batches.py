"""Batches of images as users pass them, and as a module takes them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

Images = npt.NDArray[np.uint8] | Tensor


def check_images(images: Images, shape: Sequence[int], name: str) -> None:
    """Raises ValueError unless images are uint8 (N, *shape)."""
    if str(images.dtype) not in ("uint8", "torch.uint8"):
        raise ValueError(f"images must be uint8 in [0, 255], not {images.dtype}.")
    check_shape(images.shape, shape, name)


def check_shape(found: Sequence[int], shape: Sequence[int], name: str) -> None:
    """Raises ValueError unless a shape is (N, *shape)."""
    if len(found) != 4 or tuple(found[1:]) != tuple(shape):
        wanted = ", ".join(str(side) for side in shape)
        raise ValueError(
            f"{name} takes images of shape (N, channels, height, width) = (N, {wanted}), not {tuple(found)}."
        )


def as_block(images: Images, count: int, device: torch.device) -> Tensor:
    """Images on a device, filled up with black to exactly `count`."""
    if not isinstance(images, Tensor):
        if not images.flags.writeable or min(images.strides) < 0:  # torch takes neither
            images = images.copy()
        images = torch.from_numpy(images)
    block = images.to(device, non_blocking=True)
    missing = count - len(block)
    return pad(block, (0, 0, 0, 0, 0, 0, 0, missing)) if missing else block


def stack(parts: Sequence[Tensor], width: int) -> npt.NDArray[np.float32]:
    """Rows of this width from any device, one under the other."""
    if not parts:
        return np.empty((0, width), dtype=np.float32)
    stacked: npt.NDArray[np.float32] = torch.cat(list(parts)).cpu().numpy()
    return stacked
