"""The figure of a retraining: for every network the images newly evolved against it, and how it fared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.errors import RunError
from neatfool.experiments.retraining.fooling import best_of
from neatfool.experiments.retraining.state import read_judged, rounds_done
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import (
    MUTED,
    RULE,
    TEXT,
    as_picture,
    canvas,
    font,
    paste_tile,
    plain_text,
    shorten,
    write_png,
)
from neatfool.runs import RunFolder, setting_name
from neatfool.shared.text import percent

MOST_CLASSES = 10

_INK = {
    "median_confidence": (127, 176, 255),
    "evaluations_to_99": (207, 156, 255),
    "caught": (79, 209, 161),
    "test_error": (255, 171, 94),
}
_TILE, _GAP, _MARGIN, _LABEL, _BAR = 84, 14, 40, 86, 132
_CHART = (360, 190)


@dataclass(frozen=True)
class Column:
    """A number of every round.

    Attributes:
        key: its key in the metrics.
        title: its name.
        whole: the number its bars and axis end at.
        show: how it is written.
        missing: what is written where there is none.
    """

    key: str
    title: str
    whole: float
    show: Callable[[float], str] = percent
    missing: str = "-"


@dataclass(frozen=True)
class Network:
    """A row of the figure: a network, its ten images and confidences, and its line of the metrics."""

    name: str
    pictures: list[Image.Image]
    confidence: list[float]
    row: dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A column drawn over the networks: SVG path data, dots (x, y, tip) and the axis' labels."""

    title: str
    path: str
    dots: list[tuple[float, float, str]]
    x_labels: list[tuple[float, str]]
    y_labels: list[tuple[float, str]]


def write_rounds(folder: RunFolder, *, png: Path, html: Path) -> None:
    """Draws a run of `retrain`: a row for every network, as a picture and as a self-contained page with charts.

    Of more than ten classes the ten are shown that the first network was surest of.

    Args:
        folder: the run.
        png: picture to write.
        html: page to write.

    Raises:
        RunError: the run has no complete round yet, or a file is damaged or cannot be written.
    """
    done = rounds_done(folder)
    rows = folder.metrics()[:done]
    if not done or len(rows) != done:
        raise RunError(f"{folder.path} has no complete round yet; continue it with `neatfool resume`.")
    first = best_of(list(read_judged(folder, 0).values()))[1]
    shown = np.sort(np.argsort(-first, kind="stable")[:MOST_CLASSES])
    names = [folder.manifest.class_names[index] for index in shown]
    networks = [_network(folder, number, shown, row) for number, row in enumerate(rows)]
    columns = [
        Column("median_confidence", "median confidence", 1),
        Column("evaluations_to_99", "evaluations to 99 %", _most_evaluations(rows), "{:,.0f}".format, "not reached"),
        Column("caught", "held-out caught", 1),
        Column("test_error", "test error", _ceiling([row["test_error"] for row in rows])),
    ]
    title = f"{folder.manifest.model}, retrained against its fooling images"
    spent = sum(row["seconds"] for row in rows)
    facts = f"{setting_name(folder.config, 'encoding')} · seed {folder.config['seed']} · "
    facts += f"{rows[-1]['evaluations']:,} evaluations · {spent:,.0f} s"
    write_png(_draw(networks, names, columns, title, facts), png)
    write_html(
        Path(__file__).parent / "page.html.j2",
        html,
        title=title,
        facts=facts,
        class_names=names,
        all_classes=len(folder.manifest.class_names),
        networks=networks,
        charts=[_chart(column, networks) for column in columns],
        size=_CHART,
        pixelated=max(folder.manifest.image_shape[1:]) <= SMALL_SIDE,
    )


def _network(folder: RunFolder, number: int, shown: NDArray[np.int64], row: dict[str, Any]) -> Network:
    pixels, confidence = best_of(list(read_judged(folder, number).values()))
    if shown.max() >= len(pixels):
        raise RunError(f"Round {number} of {folder.path} has images of fewer classes than round 0; it is damaged.")
    return Network(f"DNN{number + 1}", [as_picture(one) for one in pixels[shown]], confidence[shown].tolist(), row)


def _ceiling(values: Sequence[float]) -> float:
    """A round number at or above all values."""
    return next((top for top in (0.02, 0.05, 0.1, 0.2, 0.5) if max(values) <= top), 1.0)


def _most_evaluations(rows: Sequence[dict[str, Any]]) -> float:
    """A round number at or above all evaluations to 99 %."""
    most = max((row["evaluations_to_99"] or 1 for row in rows), default=1)
    power = 10 ** math.floor(math.log10(most))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= most))


def _draw(
    networks: Sequence[Network], names: Sequence[str], columns: Sequence[Column], title: str, facts: str
) -> Image.Image:
    large, text, small = (font(size) for size in (26, 14, 11))
    line = _TILE + 30
    left = _MARGIN + _LABEL
    right = left + len(names) * (_TILE + _GAP) + 20
    top = _MARGIN + 92
    width = right + len(columns) * (_BAR + 28) - 28 + _MARGIN
    sheet, draw = canvas(width, top + len(networks) * line + _MARGIN - 20)
    draw.text((_MARGIN, _MARGIN - 8), title, TEXT, large)
    draw.text((_MARGIN, _MARGIN + 28), facts, MUTED, text)
    for index, name in enumerate(names):
        draw.text((left + index * (_TILE + _GAP), top - 24), shorten(plain_text(name) or "?", text, _TILE), MUTED, text)
    for index, column in enumerate(columns):
        draw.text((right + index * (_BAR + 28), top - 24), column.title, MUTED, text)
    for number, network in enumerate(networks):
        y = top + number * line
        draw.text((_MARGIN, y + _TILE // 2 - 10), network.name, TEXT, font(18))
        for index, (picture, confidence) in enumerate(zip(network.pictures, network.confidence, strict=True)):
            x = left + index * (_TILE + _GAP)
            paste_tile(sheet, picture, (x, y), _TILE)
            draw.text((x, y + _TILE + 4), percent(confidence), MUTED, small)
        for index, column in enumerate(columns):
            x, value = right + index * (_BAR + 28), network.row[column.key]
            bar = y + _TILE // 2 + 8
            draw.text(
                (x, bar - 24),
                column.missing if value is None else column.show(value),
                MUTED if value is None else TEXT,
                text,
            )
            draw.rectangle((x, bar, x + _BAR - 1, bar + 5), RULE)
            if value:
                draw.rectangle(
                    (x, bar, x + round(min(value / column.whole, 1) * (_BAR - 1)), bar + 5), _INK[column.key]
                )
    return sheet


def _chart(column: Column, networks: Sequence[Network]) -> Chart:
    width, height = _CHART
    step = width / max(1, len(networks) - 1)
    dots = [
        (
            round(number * step, 1),
            round(height * (1 - network.row[column.key] / column.whole), 1),
            _tip(network, column),
        )
        for number, network in enumerate(networks)
        if network.row[column.key] is not None
    ]
    every = -(-len(networks) // 8)
    return Chart(
        title=column.title,
        path="M" + "L".join(f"{x} {y}" for x, y, _ in dots),
        dots=dots,
        x_labels=[(round(number * step, 1), one.name) for number, one in enumerate(networks) if number % every == 0],
        y_labels=[(height * (1 - part), _axis(column, part * column.whole)) for part in (0, 0.5, 1)],
    )


def _axis(column: Column, value: float) -> str:
    return f"{100 * value:g} %" if column.show is percent else column.show(value)


def _tip(network: Network, column: Column) -> str:
    return f"{network.name}: {column.show(network.row[column.key])}"
