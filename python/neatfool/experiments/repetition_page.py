"""What the repeated-elements experiment leaves in a folder: numbers, a figure and a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.errors import RunError
from neatfool.experiments.repetition import SHARES, ClassRepetition, RepetitionResult
from neatfool.experiments.repetition_figure import (
    draw_figure,
    median_curve,
    picture_of,
    short_percent,
    showcase,
    strip_levels,
    subtitle,
)
from neatfool.runs.files import replacing, to_json

MOST_STRIPS = 80
_COLUMNS = 7
_SIDE = 112

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["percent"] = short_percent


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


def write_repetition(result: RepetitionResult, out: Path) -> None:
    """Writes repetition.json, repetition.png and repetition.html into a folder, made if it does not exist.

    Raises:
        RunError: something cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"The folder {out} cannot be made: {error.strerror}.") from error
    with replacing(out / "repetition.json") as temporary:
        temporary.write_text(to_json(result.summary(), indent=1) + "\n", encoding="utf-8")
    draw_figure(result, out / "repetition.png")
    page = _environment.get_template("repetition.html.j2").render(
        result=result,
        summary=result.summary(),
        subtitle=subtitle(result),
        curves=[
            _curve("all elites with copies", result.classes),
            _curve("those of at least 50 % with all copies", result.sure),
        ],
        strips=[_strip(one) for one in showcase(result, MOST_STRIPS)],
    )
    with replacing(out / "repetition.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _curve(label: str, classes: Sequence[ClassRepetition]) -> _Curve | None:
    """The medians over some classes; None over no class."""
    if not classes:
        return None
    copies, control = (_path(SHARES, median_curve(classes, control=control)) for control in (False, True))
    return _Curve(label, len(classes), copies, control)


def _strip(one: ClassRepetition) -> _Strip:
    tiles = [
        _Tile(_uri(one.with_copies(level)), level, float(one.confidences[0, one.levels.tolist().index(level)]))
        for level in strip_levels(one, _COLUMNS)
    ]
    shares = one.levels / one.copies.count
    return _Strip(one, tiles, _path(shares, one.confidence), _path(shares, one.control))


def _path(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> str:
    """An SVG path through fractions, in a box of 100 by 100."""
    return "M" + "L".join(f"{100 * x:.1f} {100 * (1 - y):.1f}" for x, y in zip(xs, ys, strict=True))


def _uri(pixels: NDArray[np.uint8]) -> str:
    picture, buffer = picture_of(pixels), io.BytesIO()
    if max(picture.size) <= _SIDE:
        picture.save(buffer, "PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    picture.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
