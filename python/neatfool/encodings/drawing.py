"""One picture at any size, a few rows at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings.base import Population
from neatfool.encodings.cppn import CppnPopulation
from neatfool.shared.pixels import for_looking

LARGEST_SIDE = 16384
MOST_SAMPLES = 4
"""Samples of a pixel, each way: the core draws up to 65,536 a side."""


class Drawing:
    """A picture of one genome, or of pixels. A CPPN draws just the rows that are asked for, other genomes all at first.

    Args:
        image: a batch of one genome, or uint8 (channels, H, W).
        size: (height, width) in pixels, each at most 16,384. Pixels, and what is not scalable, are enlarged as they are.
        supersample: a pixel is the mean of so many samples a side, 1 to 4; more make the edges of scalable pictures smooth.
    """

    def __init__(self, image: Population | NDArray[np.uint8], size: tuple[int, int], *, supersample: int = 1) -> None:
        self.height, self.width = size
        self.channels = image.shape[0]
        self._scalable = not isinstance(image, np.ndarray) and image.scalable
        self._samples = supersample if self._scalable else 1
        self._image = image
        self._whole: NDArray[np.uint8] | None = None

    def rows(self, first: int, end: int) -> NDArray[np.uint8]:
        """The rows from `first` to before `end`, shape (rows, width) in gray and (rows, width, 3) in colour."""
        if isinstance(self._image, CppnPopulation):
            samples = self._samples
            out = np.empty((1, self.channels, (end - first) * samples, self.width * samples), np.uint8)
            self._image.render_rows(out, row=first * samples, height=self.height * samples)
            return _seen(_means(out, samples))
        if self._whole is None:
            self._whole = self._draw()
        if self._scalable:
            return self._whole[first:end]
        down, across = (
            (np.arange(side) * 2 + 1) * own // (2 * side)
            for side, own in zip((self.height, self.width), self._whole.shape[:2], strict=True)
        )
        enlarged: NDArray[np.uint8] = self._whole[down[first:end, np.newaxis], across]
        return enlarged

    def _draw(self) -> NDArray[np.uint8]:
        if isinstance(self._image, np.ndarray):
            return _seen(self._image[np.newaxis])
        samples = self._samples
        size = (self.height * samples, self.width * samples) if self._scalable else self._image.shape[1:]
        out = np.empty((1, self.channels, *size), np.uint8)
        self._image.render(out)
        return _seen(_means(out, samples))


def _seen(drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The first picture of a batch."""
    picture: NDArray[np.uint8] = for_looking(drawn)[0]
    return picture


def _means(drawn: NDArray[np.uint8], samples: int) -> NDArray[np.uint8]:
    """Each square of samples as one pixel, rounded to nearest."""
    if samples == 1:
        return drawn
    count = samples * samples
    total = np.full((*drawn.shape[:2], *(side // samples for side in drawn.shape[2:])), count // 2, np.uint16)
    for row in range(samples):
        for column in range(samples):
            total += drawn[:, :, row::samples, column::samples]
    total //= count
    return total.astype(np.uint8)
