"""The elites of a run, side by side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import RunError
from neatfool.figures.sheet import fitting
from neatfool.figures.style import light, styled
from neatfool.plots.axes import axes_for
from neatfool.plots.sources import Source
from neatfool.runs import Elite, RunFolder
from neatfool.search import Run
from neatfool.shared.pixels import for_looking
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TILE, _GAP, _TEXT = 88, 14, 36


def archive(source: Source, *, most: int = 100, columns: int | None = None, ax: Axes | None = None) -> Axes:
    """The elites as a grid of pictures with the classes they were evolved for, most confident first.

    Args:
        source: a run of any command that leaves elites: `evolve`, `ascend` or `retrain`.
        most: how many are shown at most.
        columns: pictures in a row; by default what suits their number, at most 10.
        ax: where to draw; new axes by default.

    Returns:
        The axes, with an image for each elite and two texts, its class and its confidence in percent, in that order.

    Raises:
        RunError: there are no elites yet, or the folder is damaged.
    """
    elites = sorted(_elites(source), key=lambda elite: (-elite.confidence, elite.class_index))[: max(most, 1)]
    if not elites:
        raise RunError("The run has no images yet; let it reach its first checkpoint.")
    columns = columns or min(10, math.ceil(math.sqrt(2 * len(elites))))
    rows = -(-len(elites) // columns)
    across, down = _TILE + _GAP, _TILE + _TEXT
    ax = axes_for(ax, columns * across + 24, rows * down + 24)
    with styled():
        for number, elite in enumerate(elites):
            left, top = number % columns * across, number // columns * down
            if elite.pixels is not None:
                picture = _framed(for_looking(elite.pixels[None])[0])
                ax.imshow(
                    picture,
                    extent=(left, left + _TILE, top + _TILE, top),
                    interpolation="nearest" if len(picture) <= _TILE else "antialiased",
                )
            name = fitting(elite.class_name, 11, _TILE + _GAP - 4)[0]
            ax.text(left, top + _TILE + 9, name, size=11, color=light("text"), va="center")
            ax.text(left, top + _TILE + 22, percent(elite.confidence), size=10, color=light("muted"), va="center")
        ax.set(xlim=(0, columns * across - _GAP), ylim=(rows * down, 0), xticks=[], yticks=[], aspect="equal")
    return ax


def _elites(source: Source) -> list[Elite]:
    if not isinstance(source, Run):
        return RunFolder.of(source).elites()
    one = source.archive
    columns = zip(one.classes, one.confidence, one.ids, one.generation, one.pixels(), strict=True)
    return [
        Elite(int(index), one.class_names[index], float(sure), int(individual), int(born), pixels)
        for index, sure, individual, born, pixels in columns
    ]


def _framed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture in RGB, in the middle of a white square."""
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, 2)
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square
