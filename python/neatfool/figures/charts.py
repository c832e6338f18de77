"""Line charts as SVG paths: fractions over the course of a run."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_POINTS = 300
WIDTH, HEIGHT = 1000, 400
"""The coordinate system of the paths; the page stretches it to the room there is."""


@dataclass(frozen=True)
class Series:
    """Values to draw: ``rows`` of metrics, the key to read and the number its values are fractions of."""

    label: str
    rows: Sequence[dict[str, Any]]
    key: str
    whole: float = 1


@dataclass(frozen=True)
class Line:
    """One line of a chart: its points (position, fraction in [0, 1]) and their SVG path data."""

    label: str
    points: list[tuple[int, float]]
    path: str


@dataclass(frozen=True)
class Chart:
    """Lines over a common horizontal axis that runs from 0 to ``end``.

    Attributes:
        unit: what the horizontal axis counts.
        end: its last position.
        lines: the lines.
        ticks: round positions on the axis, each with its label.
    """

    unit: str
    end: int
    lines: list[Line]
    ticks: list[tuple[int, str]]


def chart(series: Sequence[Series]) -> Chart | None:
    """A chart of those series that have at least two values; None when none has.

    The horizontal axis counts evaluations, or generations where no row states evaluations.
    """
    for unit in ("evaluations", "generation"):
        drawn = {one.label: points for one in series if len(points := _points(one, unit)) > 1}
        if drawn:
            end = max(points[-1][0] for points in drawn.values())
            lines = [
                Line(label, points, svg_path((x / end, value) for x, value in points))
                for label, points in drawn.items()
            ]
            ticks = [(value, _short(value)) for value in _round_steps(end)]
            return Chart("generations" if unit == "generation" else unit, end, lines, ticks)
    return None


def svg_path(points: Iterable[tuple[float, float]]) -> str:
    """Path data of a line through points (x, y), both in [0, 1], in a box of WIDTH by HEIGHT with 1 at the top."""
    return "M" + "L".join(f"{x * WIDTH:.1f} {(1 - y) * HEIGHT:.1f}" for x, y in points)


def curve(values: Sequence[float] | npt.NDArray[np.floating]) -> str:
    """Path data of values in [0, 1], spread evenly over the width."""
    return svg_path((index / max(len(values) - 1, 1), values[index]) for index in thinned(len(values)))


def thinned(count: int) -> Sequence[int]:
    """The indices of so many points, or MOST_POINTS of them spread evenly with the first and the last."""
    if count <= MOST_POINTS:
        return range(count)
    return [round(index * (count - 1) / (MOST_POINTS - 1)) for index in range(MOST_POINTS)]


def _points(series: Series, unit: str) -> list[tuple[int, float]]:
    """(position, fraction) of the rows that state both, in order, thinned to MOST_POINTS."""
    points: list[tuple[int, float]] = []
    for row in series.rows:
        x: Any = row.get(unit)
        value: Any = row.get(series.key)
        if not (isinstance(x, int) and _is_number(x) and _is_number(value)):
            continue
        if 0 <= value / series.whole <= 1 and x >= 0 and (not points or x > points[-1][0]):
            points.append((x, value / series.whole))
    return [points[index] for index in thinned(len(points))]


def _is_number(value: object) -> bool:
    # The bounds shut out infinities and integers too large for a float.
    return isinstance(value, (int, float)) and -1e15 < value < 1e15


def _round_steps(end: int) -> list[int]:
    """At most seven round numbers from 0 to ``end``."""
    power = 10 ** max(0, math.floor(math.log10(end / 6)))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= end / 6)
    return list(range(0, end + 1, step))


def _short(value: int) -> str:
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return str(value)
