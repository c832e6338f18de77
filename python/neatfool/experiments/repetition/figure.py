"""The figures of repeated elements: confidence against copies, and pictures with fewer and fewer of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neatfool.figures.charts import HALVES, WIDTH, Line, draw_lines
from neatfool.figures.sheet import Sheet
from neatfool.shared.pixels import as_picture
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from neatfool.experiments.repetition.result import ClassRepetition, RepetitionResult

SHARES = np.linspace(0, 1, 21)
"""Shares of the copies left at which classes of different numbers of copies are compared."""

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRIPS, COLUMNS = 6, 6
"""Of the figure with pictures."""
HALF_WIDTH = 420

LEGEND = (("copies removed", "c1"), ("as large an area elsewhere", "c2"))
_SHARE_TICKS = ((0, "no copy"), (0.5, "half"), (1, "all copies"))
_LEFT, _RIGHT = 52, 34  # beside a plot, for its labels
_CURVES, _TILE, _GAP, _STRIP = 250, 102, 10, 168


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


def draw_repetition(result: RepetitionResult) -> Figure:
    """The median curves, and below them strips of pictures with fewer and fewer copies."""
    strips = showcase(result, STRIPS)
    if not strips:
        sheet = Sheet(WIDTH, 40)
        sheet.text(0, 20, f"No motif was found that repeats {result.min_copies} times.", colour="muted")
        return sheet.figure
    first = _CURVES + 78
    sheet = Sheet(WIDTH, first + len(strips) * _STRIP + 20)
    sheet.legend(0, 0, WIDTH, LEGEND)
    parts = (("all elites with copies", result.classes), ("those of at least 50 % with all copies", result.sure))
    for number, (title, classes) in enumerate(parts):
        if classes:
            left = number * (WIDTH - HALF_WIDTH)
            sheet.text(left, 42, f"Median of {title} ({len(classes):,})", bold=True, room=HALF_WIDTH)
            _add_medians(sheet, left, 54, classes)
    for number, one in enumerate(strips):
        _add_strip(sheet, first + number * _STRIP, one)
    note = f"Pictures and their confidences: one order of removal. Curves: means of {result.orders} orders."
    sheet.text(0, sheet.height - 8, note, size=11, colour="muted")
    return sheet.figure


def draw_medians(classes: Sequence[ClassRepetition]) -> Figure:
    """Median confidence of some elites, at least one, against the share of the copies left, and its control."""
    sheet = Sheet(HALF_WIDTH, _CURVES)
    _add_medians(sheet, 0, 0, classes)
    return sheet.figure


def draw_curve(one: ClassRepetition) -> Figure:
    """Confidence in one elite's class against the copies left, and its control."""
    sheet = Sheet(250, 128)
    _add_curve(sheet, 0, 0, one, width=250, height=128)
    return sheet.figure


def _add_medians(sheet: Sheet, left: float, top: float, classes: Sequence[ClassRepetition]) -> None:
    confidence, control = (
        np.median([one.at_share(SHARES, control=kind) for one in classes], axis=0) for kind in (False, True)
    )
    axes = sheet.plot(left + _LEFT, top + 10, HALF_WIDTH - _LEFT - _RIGHT, _CURVES - 40)
    lines = [Line("", SHARES, control, "c2", width=2), Line("", SHARES, confidence, "c1", width=3)]
    draw_lines(axes, lines, x_ticks=_SHARE_TICKS)


def _add_curve(sheet: Sheet, left: float, top: float, one: ClassRepetition, *, width: float, height: float) -> None:
    axes = sheet.plot(left + _LEFT, top + 8, width - _LEFT - _RIGHT, height - 34)
    ticks = ((0, "0"), (one.copies.count, f"{one.copies.count} copies"))
    lines = [Line("", one.levels, one.control, "c2", width=2), Line("", one.levels, one.confidence, "c1", width=3)]
    draw_lines(axes, lines, x_ticks=ticks, y_ticks=HALVES)


def _add_strip(sheet: Sheet, top: float, one: ClassRepetition) -> None:
    way = "copies silenced in the genome" if one.copies.way == "genome" else "copies masked in the picture"
    sheet.text(0, top + 8, one.class_name.split(",")[0], size=13, bold=True, room=560)
    sheet.text(WIDTH, top + 8, f"{one.copies.count} {way}", size=11, colour="muted", align="right")
    for column, level in enumerate(strip_levels(one, COLUMNS)):
        left = column * (_TILE + _GAP)
        sheet.picture(as_picture(one.with_copies(level)), left, top + 22, _TILE)
        sheet.box(left, top + 22, _TILE, _TILE, None, outline="rule")
        caption = f"{level} left: {percent(one.confidence_of_picture(level))}"
        sheet.text(left + _TILE / 2, top + _TILE + 34, caption, size=10.5, align="center")
    right = COLUMNS * (_TILE + _GAP)
    _add_curve(sheet, right, top + 18, one, width=WIDTH - right, height=_TILE + 28)
