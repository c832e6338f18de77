"""Batches of images as users pass them, and as a module takes them."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

log = logging.getLogger(__name__)

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


class Halving:
    """A way through a network that takes half as many images at once whenever a GPU's memory does not suffice.

    Nothing else depends on it but the last bits: torch may add in another order for another number of images.
    """

    def __init__(self, forward: Callable[[Tensor], Tensor], name: str) -> None:
        self._forward = forward
        self._name = name
        self._most: int | None = None

    def __call__(self, pixels: Tensor) -> Tensor:
        """The outputs for a batch.

        Raises:
            torch.cuda.OutOfMemoryError: The memory does not suffice for one image.
        """
        while True:
            size = self._most or len(pixels)
            try:
                outputs = [self._forward(part) for part in torch.split(pixels, size)]
                return outputs[0] if len(outputs) == 1 else torch.cat(outputs)
            except torch.cuda.OutOfMemoryError:
                if size == 1:
                    raise
            # After the error is gone, whose frames hold memory.
            torch.cuda.empty_cache()
            self._most = (size + 1) // 2
            log.warning(
                "%s ran out of memory with %d images at once, so it takes %d from now on.", self._name, size, self._most
            )
