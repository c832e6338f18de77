"""What labelled images are: torch data sets whose items are pairs of a uint8 tensor (C, H, W) and an int."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

UInt8 = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Item = tuple[Tensor, int]


class LabelledImages(Protocol):
    """Images that fit one classifier, with the right class of each: any map-style `torch.utils.data.Dataset` of `Item`s.

    One that has torch's `__getitems__`, which returns several items, is asked for whole batches.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Item: ...


class ImageArray(Dataset[Item]):
    """Labelled images in memory.

    Args:
        images: uint8 (N, C, H, W).
        targets: Integers (N,), the class of each.
    """

    def __init__(self, images: Tensor | UInt8, targets: Tensor | npt.NDArray[Any]) -> None:
        self.images = torch.as_tensor(images)
        self.targets = torch.as_tensor(targets)
        if len(self.images) != len(self.targets):
            raise ValueError(f"{len(self.images)} images need as many targets, not {len(self.targets)}.")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Item:
        return self.images[index], int(self.targets[index])

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        chosen = torch.as_tensor(indices)
        return list(zip(self.images[chosen].unbind(), self.targets[chosen].tolist(), strict=True))


def batches(images: LabelledImages, size: int) -> Iterator[tuple[UInt8, Labels]]:
    """All images in their order, read a batch ahead by another thread.

    Args:
        images: What to read.
        size: Images in a batch; the last one may have fewer.

    Yields:
        uint8 (n, C, H, W) and int64 (n,).

    Raises:
        DataError: An image cannot be read.
    """
    groups = [range(start, min(start + size, len(images))) for start in range(0, len(images), size)]
    with ThreadPoolExecutor(1, thread_name_prefix="neatfool-read") as reader:
        ahead = [reader.submit(_read, images, group) for group in groups[:1]]
        for following in range(1, len(groups) + 1):
            batch = ahead.pop().result()
            ahead.extend(reader.submit(_read, images, group) for group in groups[following : following + 1])
            yield batch


def read_images(images: LabelledImages, chosen: npt.NDArray[np.int64]) -> UInt8:
    """The images of these indices, uint8 (n, channels, height, width)."""
    return _read(images, chosen.tolist())[0]


def labels_of(images: LabelledImages) -> Labels:
    """The class of every image, int64 (N,): the `targets` of a data set, as torchvision calls them, or of its part."""
    source: Any = images
    if isinstance(source, Subset):
        whole: Any = source.dataset
        return labels_of(whole)[np.asarray(source.indices, np.int64)]
    return np.asarray(source.targets, np.int64)


def _read(images: LabelledImages, indices: Sequence[int]) -> tuple[UInt8, Labels]:
    together = getattr(images, "__getitems__", None)
    items = together(list(indices)) if together else [images[index] for index in indices]
    pixels: UInt8 = torch.stack([image for image, _ in items]).numpy()
    return pixels, np.array([label for _, label in items], np.int64)
