"""Confidence over the course of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neatfool.figures.charts import PERCENT_TICKS, Line, Ticks, count_ticks, line_chart, thinned
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROUNDING = 1e-4
_MOST_NINES = 7
"""float32 knows no confidence between 1 and 1 - 6e-8."""


@dataclass(frozen=True)
class Series:
    """Values to draw: ``rows`` of metrics, the key to read and the number its values are fractions of."""

    label: str
    rows: Sequence[Mapping[str, Any]]
    key: str
    whole: float = 1


@dataclass(frozen=True)
class Course:
    """What a chart of series is made of: lines over common axes."""

    lines: list[Line]
    x_ticks: Ticks
    x_label: str


def run_series(metrics: Sequence[Mapping[str, Any]], classes: int) -> list[Series]:
    """Median and mean confidence of a run and its share of classes at 99 % or more."""
    return [
        Series("Median confidence", metrics, "median_confidence"),
        Series("Mean confidence", metrics, "mean_confidence"),
        Series("Classes ≥ 99 %", metrics, "classes_over_99", whole=classes),
    ]


def draw_run(metrics: Sequence[Mapping[str, Any]], classes: int, *, nines: bool = False) -> Figure | None:
    """A chart of `run_series`; None without metrics.

    Args:
        metrics: rows of metrics.
        classes: number of classes.
        nines: whether 1 - p has a logarithmic axis, where 99 %, 99.9 % and 99.99 % are equally far apart.
    """
    drawn = course(run_series(metrics, classes))
    if drawn is None:
        return None
    lines, y_ticks = _in_nines(drawn.lines) if nines else (drawn.lines, PERCENT_TICKS)
    return line_chart(lines, x_ticks=drawn.x_ticks, x_label=drawn.x_label, y_ticks=y_ticks)


def _in_nines(lines: Sequence[Line]) -> tuple[list[Line], Ticks]:
    """Lines whose values are those of `log_doubt`, and their ticks."""
    drawn = [replace(line, y=log_doubt(line.y)) for line in lines]
    best = max(float(np.max(np.asarray(line.y))) for line in lines)
    return drawn, [(float(log_doubt(share)), label) for share, label in nines_ticks(best)]


def log_doubt(p: ArrayLike) -> NDArray[np.float64]:
    """-log10(1 - p) of confidences, at most 7: the scale on which 99 %, 99.9 % and 99.99 % are equally far apart."""
    values: NDArray[np.float64] = -np.log10(np.clip(1 - np.asarray(p, np.float64), 10.0**-_MOST_NINES, None))
    return values


def nines_ticks(best: float) -> Ticks:
    """Ticks from 0 to the next of 90 %, 99 %, ... above the best confidence."""
    count = min(max(int(np.ceil(log_doubt(best) - 1e-9)), 1), _MOST_NINES)
    return [(0.0, "0 %"), *((1 - 10.0**-nines, f"{100 - 10.0 ** (2 - nines):.10g} %") for nines in range(1, count + 1))]


def draw_comparison(runs: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> Figure | None:
    """The median confidence of several runs, each with its name; None without metrics."""
    return draw_course([Series(name, metrics, "median_confidence") for name, metrics in runs])


def draw_course(series: Sequence[Series]) -> Figure | None:
    """A chart of `course`; None where there is nothing to draw."""
    drawn = course(series)
    return None if drawn is None else line_chart(drawn.lines, x_ticks=drawn.x_ticks, x_label=drawn.x_label)


def course(series: Sequence[Series]) -> Course | None:
    """Those series that have at least two values; None when none has.

    The horizontal axis counts evaluations, or generations where no row states evaluations.
    """
    for unit in ("evaluations", "generation"):
        drawn = [(one.label, points) for one in series if len(points := _points(one, unit)) > 1]
        if drawn:
            lines = [
                Line(f"{label}: {percent(points[-1][1])}", *zip(*points, strict=True))  # type: ignore[arg-type]
                for label, points in drawn
            ]
            end = max(points[-1][0] for _, points in drawn)
            return Course(lines, count_ticks(end), "generations" if unit == "generation" else unit)
    return None


def _points(series: Series, unit: str) -> list[tuple[int, float]]:
    """(position, fraction) of the rows that state both, in order, thinned."""
    points: list[tuple[int, float]] = []
    for row in series.rows:
        x: Any = row.get(unit)
        value: Any = row.get(series.key)
        if not (isinstance(x, int) and _is_number(x) and _is_number(value)):
            continue
        fraction = _fraction(value / series.whole)
        if 0 <= fraction <= 1 and x >= 0 and (not points or x > points[-1][0]):
            points.append((x, fraction))
    return [points[index] for index in thinned(len(points))]


def _fraction(value: float) -> float:
    """The value, but 1 if it exceeds 1 by no more than the rounding errors of a sum of float32."""
    return 1.0 if 1 < value <= 1 + _ROUNDING else value


def _is_number(value: object) -> bool:
    # The bounds shut out infinities and integers too large for a float.
    return isinstance(value, (int, float)) and -1e15 < value < 1e15
