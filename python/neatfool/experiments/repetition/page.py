"""What the repeated-elements experiment leaves in a folder: numbers, a figure and a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neatfool.experiments.repetition.figure import (
    median_curve,
    short_percent,
    showcase,
    strip_levels,
    subtitle,
)
from neatfool.experiments.repetition.result import SHARES, ClassRepetition, RepetitionResult
from neatfool.figures.charts import svg_path
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import as_picture, picture_uri

MOST_STRIPS = 80
_COLUMNS = 7
_SIDE = 112


@dataclass(frozen=True)
class _Tile:
    source: str
    level: int
    confidence: float


@dataclass(frozen=True)
class _Curve:
    label: str
    count: int
    copies: str
    control: str


@dataclass(frozen=True)
class _Strip:
    one: ClassRepetition
    tiles: list[_Tile]
    copies: str
    control: str


def write_page(result: RepetitionResult, out: Path) -> None:
    """Writes the page.

    Raises:
        RunError: it cannot be written.
    """
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        result=result,
        summary=result.summary(),
        subtitle=subtitle(result),
        curves=[
            _curve("all elites with copies", result.classes),
            _curve("those of at least 50 % with all copies", result.sure),
        ],
        strips=[_strip(one) for one in showcase(result, MOST_STRIPS)],
        short_percent=short_percent,
        small_side=SMALL_SIDE,
    )


def _curve(label: str, classes: Sequence[ClassRepetition]) -> _Curve | None:
    """The medians over some classes; None over no class."""
    if not classes:
        return None
    copies, control = (
        svg_path(zip(SHARES, median_curve(classes, control=control), strict=True)) for control in (False, True)
    )
    return _Curve(label, len(classes), copies, control)


def _strip(one: ClassRepetition) -> _Strip:
    tiles = [
        _Tile(
            source=picture_uri(as_picture(one.with_copies(level)), _SIDE),
            level=level,
            confidence=float(one.confidences[0, one.levels.tolist().index(level)]),
        )
        for level in strip_levels(one, _COLUMNS)
    ]
    shares = one.levels / one.copies.count
    copies, control = (svg_path(zip(shares, values, strict=True)) for values in (one.confidence, one.control))
    return _Strip(one, tiles, copies, control)
