"""Charts that pages share: lines over an axis, histograms, and tables shaded like a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from neatfool.figures.sheet import Sheet
from neatfool.figures.style import SERIES, light, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 300
WIDTH = 880
"""Of figures as wide as the page."""

Ticks = Sequence[tuple[float, str]]
"""Places on an axis, each with its label."""

PERCENT_TICKS: Ticks = tuple((part / 100, f"{part} %") for part in (0, 25, 50, 75, 100))
HALVES: Ticks = tuple((part / 100, f"{part} %") for part in (0, 50, 100))

_TICK_SIZE = 11.0


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        label: its name.
        x, y: its points, of equal length.
        colour: a name of the palette; None takes the next of `SERIES`.
        width: of the line.
        filled: whether the area below is shaded.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    colour: str | None = None
    width: float = 2
    filled: bool = False


def line_chart(
    lines: Sequence[Line],
    *,
    x_ticks: Ticks,
    x_label: str = "",
    y_ticks: Ticks = PERCENT_TICKS,
    dots: bool = False,
    legend: bool = True,
    size: tuple[float, float] = (WIDTH, 290),
) -> Figure:
    """Lines over common axes; see `add_line_chart`.

    Args:
        lines: what to draw.
        x_ticks: the horizontal axis; it ends where the ticks or the points of a line do.
        x_label: what it counts.
        y_ticks: the vertical axis, from the first tick to the last.
        dots: whether every point has a dot.
        legend: whether the lines' names stand above.
        size: width and height in pixels.
    """
    sheet = Sheet(*size)
    add_line_chart(
        sheet, (0, 0, *size), lines, x_ticks=x_ticks, x_label=x_label, y_ticks=y_ticks, dots=dots, legend=legend
    )
    return sheet.figure


def add_line_chart(
    sheet: Sheet,
    area: tuple[float, float, float, float],
    lines: Sequence[Line],
    *,
    x_ticks: Ticks,
    x_label: str = "",
    y_ticks: Ticks = PERCENT_TICKS,
    dots: bool = False,
    legend: bool = True,
) -> None:
    """Draw a line chart into an area (left, top, width, height) of a sheet; the arguments are those of `line_chart`."""
    left, top, width, height = area
    bottom = top + height
    if legend:
        named = [(line.label, colour) for line, colour in zip(lines, _colours(lines), strict=True)]
        top += sheet.legend(left, top, width, named) + 10
    below = 42 if x_label else 26
    plot = sheet.plot(left + 52, top + 8, width - 52 - 18, bottom - top - 8 - below)
    draw_lines(plot, lines, x_ticks=x_ticks, y_ticks=y_ticks, dots=dots)
    if x_label:
        sheet.text(left + width - 18, bottom - 10, x_label, size=_TICK_SIZE, colour="muted", align="right")


def draw_lines(
    axes: Axes, lines: Sequence[Line], *, x_ticks: Ticks, y_ticks: Ticks = PERCENT_TICKS, dots: bool = False
) -> None:
    """Draw lines and their axes into a plot of a sheet; the arguments are those of `line_chart`."""
    points = [(np.asarray(line.x, np.float64), np.asarray(line.y, np.float64)) for line in lines]
    ends = [place for place, _ in x_ticks] + [float(edge) for x, _ in points if len(x) for edge in (x[0], x[-1])]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    bottom, top = y_ticks[0][0], y_ticks[-1][0]
    with styled():
        axes.set(xlim=(low, high if high > low else low + 1), ylim=(bottom, top))
        _label_axes(axes, x_ticks, y_ticks)
        for number, ((x, y), line, colour) in enumerate(zip(points, lines, _colours(lines), strict=True)):
            if line.filled:
                axes.fill_between(x, y, bottom, color=light(colour), alpha=0.12, linewidth=0, clip_on=False)
            axes.plot(
                x,
                y,
                label=line.label,
                color=light(colour),
                linewidth=line.width,
                marker="o" if dots else "",
                markersize=6,
                markeredgewidth=0,
                solid_joinstyle="round",
                solid_capstyle="round",
                zorder=3 + number / (len(lines) + 1),
                clip_on=False,
            )


def draw_histogram(axes: Axes, edges: ArrayLike, heights: ArrayLike, colour: str) -> None:
    """Draw bars between edges (bins + 1), the highest as high as the plot; empty bins have none."""
    places, tall = np.asarray(edges, np.float64), np.asarray(heights, np.float64)
    top = float(tall.max(initial=0.0)) or 1.0
    shown = np.where(tall > 0, np.maximum(tall, 0.03 * top), 0)  # one image among thousands is still seen
    with styled():
        axes.set(xlim=(places[0], places[-1]), ylim=(0, top))
        axes.hlines(0, *axes.get_xlim(), colors=light("rule"), linewidth=1, clip_on=False)
        axes.stairs(shown, places, fill=True, color=light(colour), linewidth=0, clip_on=False)


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map.

    Attributes:
        value: its shade, 0 to 1.
        text: what stands in it.
        detail: what stands below, smaller; may be empty.
        outlined: whether it has an outline.
        faint: whether its text is slanted and muted.
    """

    value: float
    text: str
    detail: str = ""
    outlined: bool = False
    faint: bool = False


@dataclass(frozen=True)
class HeatRow:
    """A row of a heat map: its name, a remark below that, a picture in front (or None), and its cells."""

    label: str
    cells: Sequence[Cell]
    detail: str = ""
    picture: Image.Image | None = None


def heat_map(columns: Sequence[str], rows: Sequence[HeatRow], *, width: float = WIDTH, note: str = "") -> Figure:
    """A table whose cells are shaded by their values.

    Args:
        columns: name of each column.
        rows: the rows, each with a cell for every column.
        width: of the figure, in pixels.
        note: a line below.
    """
    row_height, head = 60, 34
    sheet = Sheet(width, head + len(rows) * row_height + (28 if note else 0))
    pictured = any(row.picture for row in rows)
    label_left = 72 if pictured else 0
    left = max(0.26 * width, label_left + 110)
    wide = min((width - left) / max(len(columns), 1), 230)
    for number, name in enumerate(columns):
        sheet.text(left + (number + 0.5) * wide, head / 2, name, colour="muted", size=11, align="center", room=wide - 8)
    for number, row in enumerate(rows):
        top = head + number * row_height
        middle = top + (row_height - 4) / 2
        if row.picture:
            sheet.picture(row.picture, 0, top, row_height - 4)
        room = left - label_left - 14
        sheet.text(label_left, middle - (9 if row.detail else 0), row.label, size=14, room=room)
        if row.detail:
            sheet.text(label_left, middle + 10, row.detail, size=11, colour="muted", room=room)
        for column, cell in enumerate(row.cells):
            x = left + column * wide
            outline = "muted" if cell.outlined else None
            shade = 0.04 + 0.62 * min(max(cell.value, 0.0), 1.0)
            sheet.box(x + 2, top, wide - 4, row_height - 4, "c1", alpha=shade, radius=7, outline=outline)
            sheet.text(
                x + wide / 2,
                middle - (9 if cell.detail else 0),
                cell.text,
                size=14,
                italic=cell.faint,
                bold=not cell.faint,
                align="center",
                room=wide - 10,
            )
            if cell.detail:
                sheet.text(x + wide / 2, middle + 11, cell.detail, size=11, align="center", room=wide - 10)
    if note:
        sheet.text(0, sheet.height - 10, note, size=11, colour="muted", room=width)
    return sheet.figure


def count_ticks(end: float) -> list[tuple[float, str]]:
    """At most seven round numbers from 0 to ``end``, which is at least 1, with short labels."""
    power = 10 ** max(0, math.floor(math.log10(end / 6)))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= end / 6)
    return [(value, short_count(value)) for value in range(0, math.floor(end) + 1, step)]


def short_count(value: int) -> str:
    """A round number as "20k" or "3M"."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return str(value)


def thinned(count: int) -> Sequence[int]:
    """The indices of so many points, or MOST_POINTS of them spread evenly with the first and the last."""
    if count <= MOST_POINTS:
        return range(count)
    return [round(index * (count - 1) / (MOST_POINTS - 1)) for index in range(MOST_POINTS)]


def _label_axes(axes: Axes, x_ticks: Ticks, y_ticks: Ticks) -> None:
    axes.set_xticks([place for place, _ in x_ticks], [label for _, label in x_ticks])
    axes.set_yticks([place for place, _ in y_ticks], [label for _, label in y_ticks])
    axes.tick_params(length=0, pad=8, labelsize=_TICK_SIZE, labelcolor=light("muted"))
    axes.hlines([place for place, _ in y_ticks], *axes.get_xlim(), colors=light("rule"), linewidth=1, clip_on=False)


def _colours(lines: Sequence[Line]) -> list[str]:
    return [line.colour or SERIES[number % len(SERIES)] for number, line in enumerate(lines)]
