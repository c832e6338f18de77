"""A classifier whose confidences can be worked out by hand: class k is the k-th quadrant, logits are its brightness."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neatfool import Classifier

GAIN = 4.0


class Quadrants(nn.Module):
    def __init__(self, order: tuple[int, ...] = (0, 1, 2, 3)) -> None:
        super().__init__()
        self.output = nn.Linear(4, len(order), bias=False)
        self.output.weight = nn.Parameter(GAIN * torch.eye(4)[list(order)])

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.output(nn.functional.adaptive_avg_pool2d(x.mean(1, keepdim=True), 2).flatten(1))
        return logits


def classifier(
    order: tuple[int, ...] = (0, 1, 2, 3), *, size: int = 8, channels: int = 1, name: str = "quadrants"
) -> Classifier:
    names = ["top left", "top right", "bottom <left>", "bottom right"][: len(order)]
    return Classifier(Quadrants(order), input_size=size, channels=channels, class_names=names, device="cpu", name=name)


def turned() -> Classifier:
    """The same with the first two classes exchanged."""
    return classifier((1, 0, 2, 3), name="turned")


def colour() -> Classifier:
    return classifier(channels=3, name="colour")


def lit(*quadrants: int, size: int = 8) -> npt.NDArray[np.uint8]:
    """One image (1, 1, size, size) for each quadrant: that one white, the others black."""
    images = np.zeros((len(quadrants), 1, size, size), np.uint8)
    half = size // 2
    for image, quadrant in zip(images, quadrants, strict=True):
        row, column = divmod(quadrant, 2)
        image[0, row * half : (row + 1) * half, column * half : (column + 1) * half] = 255
    return images


SURE = float(np.exp(GAIN) / (np.exp(GAIN) + 3))
"""Confidence in the white quadrant."""
OTHER = float(1 / (np.exp(GAIN) + 3))
"""Confidence in each of the others."""
