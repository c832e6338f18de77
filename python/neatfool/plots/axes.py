"""Axes to draw on, in the style of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neatfool.figures.style import light, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_for(ax: Axes | None, width: float, height: float) -> Axes:
    """The axes given, or new ones in a figure of so many pixels, without a frame."""
    with styled():
        if ax is None:
            figure = new_figure(width, height)
            figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.15)
            ax = figure.add_subplot()
        ax.set_frame_on(False)
        ax.tick_params(length=0, labelsize=11, labelcolor=light("muted"))
    return ax


def label(ax: Axes, *, x: str = "", y: str = "") -> None:
    """Name the axes."""
    with styled():
        for name, write in ((x, ax.set_xlabel), (y, ax.set_ylabel)):
            if name:
                write(name, size=11, color=light("muted"))


def legend_above(ax: Axes) -> None:
    """Name the lines above the plot."""
    with styled():
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=3,
            frameon=False,
            fontsize=12,
            labelcolor=light("muted"),
            handlelength=1.4,
        )
