"""Pictures written from the top down, strip by strip."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.errors import ConfigError
from neatfool.report.notes import png_chunk, png_note, xmp_note
from neatfool.shared.files import replacing

PICTURE_FORMATS = (".png", ".webp", ".jpg")
LARGEST_WEBP = 16383

_STRIP = 2**22
"""Samples of a strip, about."""
_METRES_PER_INCH = 0.0254


def strip_rows(width: int, samples: int = 1) -> int:
    """How many rows of a picture to draw at a time, if each pixel of it is the mean of `samples` a side."""
    return max(1, _STRIP // (width * samples * samples))


def check_format(path: Path, size: tuple[int, int]) -> None:
    """Raises ConfigError unless a picture of (height, width) can be written in the format that the suffix says."""
    suffix = path.suffix.lower().replace(".jpeg", ".jpg")
    if suffix not in PICTURE_FORMATS:
        raise ConfigError(f"{path} names no format of pictures; end it in {', '.join(PICTURE_FORMATS)}.")
    if suffix == ".webp" and max(size) > LARGEST_WEBP:
        raise ConfigError(f"WebP has at most {LARGEST_WEBP:,} pixels a side; make {path} smaller, or a .png.")


def write_strips(
    path: Path, size: tuple[int, int], strips: Iterable[NDArray[np.uint8]], *, note: str = "", dpi: int | None = None
) -> None:
    """Writes a picture. PNG needs the memory of a strip, JPEG and WebP that of the whole picture.

    Args:
        path: the file; see `check_format`.
        size: (height, width).
        strips: from the top down, (rows, width) in gray or (rows, width, 3) in colour.
        note: a text that the file is to carry, which JPEG does not.
        dpi: pixels of an inch of paper.

    Raises:
        ConfigError: the format cannot be written in this size.
        RunError: the file cannot be written.
    """
    check_format(path, size)
    with replacing(path) as temporary:
        if path.suffix.lower() == ".png":
            _write_png(temporary, size, strips, note, dpi)
            return
        picture = _whole(size, strips)
        if path.suffix.lower() == ".webp":
            picture.save(temporary, "WEBP", quality=90, xmp=xmp_note(note) if note else b"")
        else:
            picture.save(temporary, "JPEG", quality=92, dpi=(dpi, dpi) if dpi else (72, 72))


def _write_png(
    path: Path, size: tuple[int, int], strips: Iterable[NDArray[np.uint8]], note: str, dpi: int | None
) -> None:
    """Portable Network Graphics (W3C, third edition): every row as its difference from the one above."""
    height, width = size
    deflate = zlib.compressobj(6, strategy=zlib.Z_FILTERED)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        above: NDArray[np.uint8] | None = None
        for strip in strips:
            if above is None:
                colour = 0 if strip.ndim == 2 else 2
                file.write(png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)))
                if dpi:
                    metre = round(dpi / _METRES_PER_INCH)
                    file.write(png_chunk(b"pHYs", struct.pack(">IIB", metre, metre, 1)))
                file.write(png_note(note))
                above = np.zeros_like(strip[0])
            lines = np.empty((len(strip), 1 + strip[0].size), np.uint8)
            lines[:, 0] = 2  # filter "Up"
            lines[:, 1:] = (strip - np.concatenate([above[np.newaxis], strip[:-1]])).reshape(len(strip), -1)
            above = strip[-1]
            if packed := deflate.compress(lines.data):
                file.write(png_chunk(b"IDAT", packed))
        file.write(png_chunk(b"IDAT", deflate.flush()) + png_chunk(b"IEND", b""))


def _whole(size: tuple[int, int], strips: Iterable[NDArray[np.uint8]]) -> Image.Image:
    picture: Image.Image | None = None
    row = 0
    for strip in strips:
        if picture is None:
            picture = Image.new("L" if strip.ndim == 2 else "RGB", (size[1], size[0]))
        picture.paste(Image.fromarray(strip), (0, row))
        row += len(strip)
    assert picture is not None  # noqa: S101  # pictures have rows
    return picture
