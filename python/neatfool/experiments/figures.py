"""What the figures and pages of several experiments have in common."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.report.summary import percent
from neatfool.runs.files import replacing

Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = (
    (78, 150, 255), (255, 150, 60), (70, 205, 150), (200, 130, 255), (255, 110, 165),
    (70, 205, 225), (220, 200, 70), (225, 70, 70), (235, 235, 240), (130, 140, 155),
)  # fmt: skip
"""Colours that can be told apart on a dark ground."""

_COLD, _WARM = (32, 36, 44), (37, 110, 225)


def class_colour(index: int) -> Colour:
    """The colour of the class at a position among at most ten."""
    return COLOURS[index % len(COLOURS)]


def heat(value: float) -> Colour:
    """From dark (0) to bright blue (1)."""
    red, green, blue = (round(low + value * (high - low)) for low, high in zip(_COLD, _WARM, strict=True))
    return red, green, blue


def as_picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """A picture of uint8 (channels, height, width)."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def picture_uri(pixels: NDArray[np.uint8], side: int) -> str:
    """A picture of uint8 (channels, height, width) as a data URI: PNG, or a WebP thumbnail if larger than `side`."""
    return image_uri(as_picture(pixels), side)


def image_uri(picture: Image.Image, side: int) -> str:
    """A picture as a data URI: PNG, or a WebP thumbnail if larger than `side`."""
    buffer = io.BytesIO()
    if max(picture.size) <= side:
        picture.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        picture.save(buffer, "WEBP", quality=80)
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def curve(values: Sequence[float] | NDArray[np.floating], width: float, height: float, *, points: int = 300) -> str:
    """SVG path data of values in [0, 1], spread evenly over a width, 1 at the top; at most `points` of them."""
    last = len(values) - 1
    chosen = range(len(values)) if last < points else [round(index * last / (points - 1)) for index in range(points)]
    return "M" + "L".join(f"{index / max(last, 1) * width:.1f} {(1 - values[index]) * height:.1f}" for index in chosen)


def write_page(template: str, out: Path, **values: Any) -> None:
    """Writes an HTML page from one of the package's templates; everything put in is escaped.

    Raises:
        RunError: the file cannot be written.
    """
    text = _environment.get_template(template).render(**values)
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["percent"] = percent
