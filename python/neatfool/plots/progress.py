"""How confident the classifier became in the course of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import ConfigError
from neatfool.figures.charts import PERCENT_TICKS, WIDTH, Ticks, draw_lines
from neatfool.figures.course import Course, Series, course, log_doubt, nines_ticks
from neatfool.figures.style import light, styled
from neatfool.plots.axes import axes_for, label, legend_above
from neatfool.plots.sources import Source, metrics_of, name_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Statistic = Literal["median", "mean", "lowest", "quartiles", "over_99"]
Scale = Literal["linear", "log"]

_HEIGHT = 320

_LINES = {
    "median": ("Median confidence", "median_confidence"),
    "mean": ("Mean confidence", "mean_confidence"),
    "lowest": ("Lowest confidence", "min_confidence"),
    "over_99": ("Classes ≥ 99 %", "classes_over_99"),
}
_QUARTILES = ("lower_quartile", "upper_quartile")


def confidence(
    source: Source,
    *,
    show: Collection[Statistic] = ("median", "mean", "quartiles"),
    scale: Scale = "linear",
    ax: Axes | None = None,
) -> Axes:
    """The elites' confidence over the passes through the classifier, or over the generations where a run does not count those.

    Args:
        source: the run.
        show: what to draw of the confidences of all classes, each in [0, 1]: their "median", "mean" and "lowest" as lines, the
            band between their "quartiles", and the share of classes at 99 % or more, "over_99". Runs made by older releases
            have no quartiles.
        scale: "linear", or "log" for 1 - p on a logarithmic axis, where 99 %, 99.9 % and 99.99 % are equally far apart.
            It ends at 99.99999 %.
        ax: where to draw; new axes by default.

    Returns:
        The axes, with a line for each statistic, whose y-values are confidences, and a collection for the band.

    Raises:
        ConfigError: there are fewer than two generations, or a statistic or the scale is unknown.
        RunError: the folder is damaged.
    """
    if unknown := set(show) - {*_LINES, "quartiles"}:
        raise ConfigError(f"There is no statistic {min(unknown)!r}; choose from {', '.join([*_LINES, 'quartiles'])}.")
    rows, classes = metrics_of(source)
    drawn = course(
        [
            Series(name, rows, key, whole=classes if statistic == "over_99" else 1)
            for statistic, (name, key) in _LINES.items()
            if statistic in show
        ]
    )
    band = course([Series("", rows, key) for key in _QUARTILES]) if "quartiles" in show else None
    ax = _draw(drawn or band, scale, ax, lines=drawn is not None)
    if band is not None and len(band.lines) == len(_QUARTILES):
        lower, upper = band.lines
        with styled():
            ax.fill_between(
                lower.x, lower.y, upper.y, color=light("c1"), alpha=0.14, linewidth=0, label="Half of the classes"
            )
    legend_above(ax)
    return ax


def comparison(sources: Sequence[Source], *, scale: Scale = "linear", ax: Axes | None = None) -> Axes:
    """The median confidence of several runs over the passes through the classifier.

    Args:
        sources: the runs.
        scale: "linear" or "log"; see `confidence`.
        ax: where to draw; new axes by default.

    Returns:
        The axes, with a line for each run that has at least two generations.

    Raises:
        ConfigError: no run has two generations, or the scale is unknown.
        RunError: a folder is damaged.
    """
    drawn = course([Series(name_of(source), metrics_of(source)[0], "median_confidence") for source in sources])
    ax = _draw(drawn, scale, ax)
    legend_above(ax)
    return ax


def _draw(drawn: Course | None, scale: Scale, ax: Axes | None, *, lines: bool = True) -> Axes:
    """Draws the lines of a course, or only its axes."""
    if drawn is None:
        raise ConfigError("There is nothing to draw yet; let the run make a generation.")
    if scale not in ("linear", "log"):
        raise ConfigError(f"There is no scale {scale!r}; choose linear or log.")
    ax = axes_for(ax, WIDTH, _HEIGHT)
    y_ticks: Ticks = PERCENT_TICKS
    if scale == "log":
        best = max(float(np.max(line.y)) for line in drawn.lines)
        y_ticks = nines_ticks(best)
        with styled():
            ax.set_yscale("function", functions=(log_doubt, _from_log_doubt))
    draw_lines(ax, drawn.lines if lines else [], x_ticks=drawn.x_ticks, y_ticks=y_ticks)
    label(ax, x=drawn.x_label)
    return ax


def _from_log_doubt(nines: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = 1 - 10.0 ** -np.asarray(nines, np.float64)
    return values
