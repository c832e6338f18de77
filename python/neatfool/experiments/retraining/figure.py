"""The figures of a retraining: for every network the images newly evolved against it, and how it fared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from neatfool.figures.charts import Line, line_chart, short_count
from neatfool.figures.sheet import Sheet
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME, _TILE, _GAP, _BAR, _BAR_GAP = 64, 72, 8, 110, 16
_HEAD, _ROW = 26, _TILE + 30


@dataclass(frozen=True)
class Measure:
    """A number of every network.

    Attributes:
        key: its key in the metrics.
        title: its name.
        colour: of its bars and line, a name of the palette.
        whole: the number its bars and axis end at.
        show: how it is written.
        axis: how it is written on the axis.
        missing: what is written where there is none.
    """

    key: str
    title: str
    colour: str
    whole: float = 1
    show: Callable[[float], str] = percent
    axis: Callable[[float], str] = lambda value: f"{100 * value:g} %"
    missing: str = "-"


@dataclass(frozen=True)
class Network:
    """A row of the figure: a network, images evolved against it with its confidences, and its line of the metrics."""

    name: str
    pictures: list[Image.Image]
    confidence: list[float]
    row: dict[str, Any]


def measures(rows: Sequence[dict[str, Any]]) -> list[Measure]:
    """What is drawn of every network, on scales that suit the metrics."""
    count = "{:,.0f}".format
    return [
        Measure("median_confidence", "median confidence", "c1"),
        Measure(
            "evaluations_to_99",
            "evaluations to 99 %",
            "c4",
            whole=_round_count(max(row["evaluations_to_99"] or 1 for row in rows)),
            show=count,
            axis=lambda value: short_count(round(value)),
            missing="not reached",
        ),
        Measure("caught", "held-out caught", "c3"),
        Measure("test_error", "test error", "c2", whole=_round_share(max(row["test_error"] for row in rows))),
    ]


def draw_networks(networks: Sequence[Network], class_names: Sequence[str], shown: Sequence[Measure]) -> Figure:
    """A row for every network: its pictures with its confidences, and a bar for every measure."""
    bars = _NAME + len(class_names) * (_TILE + _GAP) + 12
    sheet = Sheet(bars + len(shown) * (_BAR + _BAR_GAP) - _BAR_GAP, _HEAD + len(networks) * _ROW)
    for index, name in enumerate(class_names):
        sheet.text(_NAME + index * (_TILE + _GAP), 10, name, size=11, colour="muted", room=_TILE)
    for index, measure in enumerate(shown):
        sheet.text(bars + index * (_BAR + _BAR_GAP), 10, measure.title, size=11, colour="muted", room=_BAR + 8)
    for number, network in enumerate(networks):
        top = _HEAD + number * _ROW
        middle = top + _TILE / 2
        sheet.text(0, middle, network.name, size=14, bold=True)
        for index, (picture, confidence) in enumerate(zip(network.pictures, network.confidence, strict=True)):
            left = _NAME + index * (_TILE + _GAP)
            sheet.picture(picture, left, top, _TILE)
            sheet.text(left, top + _TILE + 11, percent(confidence), size=10, colour="muted")
        for index, measure in enumerate(shown):
            left, value = bars + index * (_BAR + _BAR_GAP), network.row[measure.key]
            text = measure.missing if value is None else measure.show(value)
            sheet.text(left, middle - 9, text, colour="muted" if value is None else "text")
            sheet.box(left, middle + 5, _BAR, 5, "rule", radius=2.5)
            if value:
                sheet.box(left, middle + 5, max(5, min(value / measure.whole, 1) * _BAR), 5, measure.colour, radius=2.5)
    return sheet.figure


def draw_measure(measure: Measure, networks: Sequence[Network]) -> Figure:
    """A measure of one network after the other."""
    points = [
        (number, network.row[measure.key])
        for number, network in enumerate(networks)
        if network.row[measure.key] is not None
    ]
    every = -(-len(networks) // 8)
    return line_chart(
        [Line(measure.title, [x for x, _ in points], [y for _, y in points], colour=measure.colour)],
        x_ticks=[(number, network.name) for number, network in enumerate(networks) if number % every == 0],
        y_ticks=[(part * measure.whole, measure.axis(part * measure.whole)) for part in (0, 0.5, 1)],
        dots=True,
        legend=False,
        size=(280, 170),
    )


def _round_share(value: float) -> float:
    return next((top for top in (0.02, 0.05, 0.1, 0.2, 0.5) if value <= top), 1.0)


def _round_count(value: int) -> float:
    power = 10 ** math.floor(math.log10(value))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value))
