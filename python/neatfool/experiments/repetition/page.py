"""The page of the repeated-elements experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from neatfool.experiments.repetition.figure import (
    LEGEND,
    draw_curve,
    draw_medians,
    showcase,
    strip_levels,
)
from neatfool.figures.output import inline_svg
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import picture_uri
from neatfool.shared.pixels import as_picture

if TYPE_CHECKING:
    from neatfool.experiments.repetition.result import ClassRepetition, RepetitionResult

MOST_STRIPS = 40
_COLUMNS, _SIDE = 7, 112


@dataclass(frozen=True)
class Tile:
    """A picture with so many copies left, and the confidence in it."""

    source: str
    level: int
    confidence: float


@dataclass(frozen=True)
class Strip:
    """One elite with fewer and fewer copies."""

    one: ClassRepetition
    tiles: list[Tile]
    curve: Markup


def write_page(result: RepetitionResult, out: Path) -> None:
    """Writes a self-contained HTML page.

    Raises:
        RunError: it cannot be written.
    """
    parts = (("All elites with copies", result.classes), ("Those of at least 50 % with all copies", result.sure))
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        result=result,
        summary=result.summary(),
        subtitle=result.subtitle,
        medians=[
            (f"{title} ({len(classes):,})", inline_svg(draw_medians(classes), f"Median confidence by copies: {title}"))
            for title, classes in parts
            if classes
        ],
        legend=LEGEND,
        strips=[_strip(one) for one in showcase(result, MOST_STRIPS)],
        small_side=SMALL_SIDE,
    )


def _strip(one: ClassRepetition) -> Strip:
    tiles = [
        Tile(picture_uri(as_picture(one.with_copies(level)), _SIDE), level, one.confidence_of_picture(level))
        for level in strip_levels(one, _COLUMNS)
    ]
    return Strip(one, tiles, inline_svg(draw_curve(one), f"Confidence in {one.class_name} by copies"))
