"""The repeated-elements experiment on one picture: strips of fewer and fewer copies, and confidence against copies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from neatfool.experiments.repetition.result import SHARES, ClassRepetition, RepetitionResult
from neatfool.figures.tiles import INK, PALE_INK, PAPER, as_picture, canvas, font, paste_tile, write_png

STRIPS = 6
COLUMNS = 6

_RULE, _FAINT, _COPIES, _CONTROL = "#e4e5e8", "#c9d8f2", "#1f5fd0", "#c75b00"
_TILE, _GAP, _MARGIN, _CHART = 128, 14, 36, 250
_SMOOTH = 3  # lines are drawn this much larger and reduced


def showcase(result: RepetitionResult, count: int) -> list[ClassRepetition]:
    """Repetitions the classifier is sure of (any, if of none), each picture once, evenly from large to small loss."""
    distinct = {one.individual: one for one in reversed(result.sure or result.classes)}
    ranked = sorted(distinct.values(), key=lambda one: float(one.at_share(np.array([0.5]))[0]))
    if not ranked:
        return []
    positions = np.unique(np.rint(np.linspace(0, len(ranked) - 1, min(count, len(ranked)))).astype(int))
    return [ranked[position] for position in positions]


def strip_levels(one: ClassRepetition, count: int) -> list[int]:
    """At most `count` of the levels looked at, from all copies down to none."""
    positions = np.unique(np.rint(np.linspace(0, len(one.levels) - 1, min(count, len(one.levels)))).astype(int))
    return [int(one.levels[position]) for position in positions[::-1]]


def median_curve(classes: Sequence[ClassRepetition], *, control: bool) -> NDArray[np.float64]:
    """Median confidence over classes at each of `SHARES`."""
    return np.median([one.at_share(SHARES, control=control) for one in classes], axis=0)


def draw_figure(result: RepetitionResult, out: Path) -> None:
    """Writes the figure as PNG.

    Raises:
        RunError: it cannot be written.
    """
    strips = showcase(result, STRIPS)
    width = 2 * _MARGIN + COLUMNS * (_TILE + _GAP) + _CHART
    top = _MARGIN + 64
    chart_height = 270 if result.classes else 0
    row = _TILE + 62
    height = top + chart_height + len(strips) * row + _MARGIN + (40 if strips else 0)
    sheet, draw = canvas(width, height, PAPER)
    draw.text((_MARGIN, _MARGIN - 8), f"{result.model}: confidence against copies of a repeated motif", INK, font(24))
    draw.text((_MARGIN, _MARGIN + 28), subtitle(result), PALE_INK, font(14))
    if result.classes:
        _overview(sheet, result, (_MARGIN, top, width - 2 * _MARGIN, chart_height - 30))
    for number, one in enumerate(strips):
        _strip(sheet, one, top + chart_height + 16 + number * row, width)
    if strips:
        draw.text((_MARGIN, height - _MARGIN - 6), _notes(result), PALE_INK, font(12))
    write_png(sheet, out)


def subtitle(result: RepetitionResult) -> str:
    """How many elites repeat a motif, in words."""
    ways = [one.copies.way for one in result.classes]
    return (
        f"{len(ways):,} of {result.elites:,} elites repeat a motif {result.min_copies} times or more "
        f"({ways.count('genome'):,} found in the genome, {ways.count('image'):,} in the picture); "
        f"{len(result.sure):,} of them reach a confidence of 50 %"
    )


def _notes(result: RepetitionResult) -> str:
    return (
        f"Pictures and their confidences: one order of removal. Curves: mean of {result.orders} orders; "
        "each strip's control in orange, as above."
    )


def _overview(sheet: Image.Image, result: RepetitionResult, box: tuple[int, int, int, int]) -> None:
    """Two charts side by side: all repeating elites, and those the classifier is sure of."""
    left, top, width, height = box
    half = (width - 60) // 2
    for number, (title, classes) in enumerate(
        (("elites with copies", result.classes), ("of them, sure with all copies (at least 50 %)", result.sure))
    ):
        if not classes:
            continue
        x = left + 40 + number * (half + 40)
        area = (x, top + 24, half - 20, height - 44)
        lines = [(SHARES, one.at_share(SHARES), _FAINT, 1) for one in classes] if number else []
        lines += [
            (SHARES, median_curve(classes, control=True), _CONTROL, 2),
            (SHARES, median_curve(classes, control=False), _COPIES, 3),
        ]
        _chart(sheet, area, lines)
        draw = ImageDraw.Draw(sheet)
        draw.text((x, top), f"Median of {len(classes):,} {title}", INK, font(14))
        for share, label in ((0.0, "no copy"), (0.5, "half"), (1.0, "all copies")):
            draw.text((x + share * area[2], top + height - 14), label, PALE_INK, font(12), "ma")
        for line, (label, colour) in enumerate((("copies removed", _COPIES), ("as large an area elsewhere", _CONTROL))):
            y = area[1] + 12 + 20 * line
            draw.line((x + 12, y, x + 34, y), colour, 3)
            draw.text((x + 42, y), label, INK, font(12), "lm")


def _strip(sheet: Image.Image, one: ClassRepetition, top: int, width: int) -> None:
    draw = ImageDraw.Draw(sheet)
    way = "copies silenced in the genome" if one.copies.way == "genome" else "copies masked in the picture"
    draw.text((_MARGIN, top), one.class_name.split(",")[0], INK, font(15))
    draw.text((width - _MARGIN, top + 2), f"{one.copies.count} {way}", PALE_INK, font(12), "ra")
    for column, level in enumerate(strip_levels(one, COLUMNS)):
        left = _MARGIN + column * (_TILE + _GAP)
        paste_tile(sheet, as_picture(one.with_copies(level)), (left, top + 24), _TILE)
        draw.rectangle((left - 1, top + 23, left + _TILE, top + 24 + _TILE), outline=_RULE)
        confidence = float(one.confidences[0, np.flatnonzero(one.levels == level)[0]])
        draw.text(
            (left + _TILE / 2, top + _TILE + 28), f"{level} left: {short_percent(confidence)}", INK, font(12), "ma"
        )
    x = _MARGIN + COLUMNS * (_TILE + _GAP) + 34
    area = (x, top + 26, width - _MARGIN - x, _TILE - 4)
    shares = one.levels / one.copies.count
    _chart(sheet, area, [(shares, one.control, _CONTROL, 2), (shares, one.confidence, _COPIES, 3)])
    draw.text((x, top + _TILE + 28), "0", PALE_INK, font(12), "ma")
    draw.text((x + area[2], top + _TILE + 28), f"{one.copies.count} copies", PALE_INK, font(12), "ra")


def _chart(
    sheet: Image.Image,
    area: tuple[int, int, int, int],
    lines: Iterable[tuple[NDArray[np.float64], NDArray[np.float64], str, int]],
) -> None:
    """Lines of fractions over [0, 1], with rules at 0, 50 and 100 %."""
    left, top, width, height = area
    pad = 4
    plot, pen = canvas((width + 2 * pad) * _SMOOTH, (height + 2 * pad) * _SMOOTH, PAPER)

    def place(x: float, y: float) -> tuple[float, float]:
        return (pad + x * width) * _SMOOTH, (pad + (1 - y) * height) * _SMOOTH

    for value in (0.0, 0.5, 1.0):
        pen.line([place(0, value), place(1, value)], _RULE, _SMOOTH)
    for xs, ys, colour, thickness in lines:
        points = [place(x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
        pen.line(points, colour, thickness * _SMOOTH, joint="curve")
    sheet.paste(plot.resize((width + 2 * pad, height + 2 * pad), Image.Resampling.LANCZOS), (left - pad, top - pad))
    draw = ImageDraw.Draw(sheet)
    for value, label in ((0.0, "0"), (0.5, "50"), (1.0, "100 %")):
        draw.text((left - 7, top + (1 - value) * height), label, PALE_INK, font(11), "rm")


def short_percent(confidence: float) -> str:
    """A confidence to a tenth of a percent, rounded down."""
    return "< 0.1 %" if 0 < confidence < 0.001 else f"{np.floor(confidence * 1000) / 10:.1f} %"
