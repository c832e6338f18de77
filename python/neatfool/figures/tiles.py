"""Contact sheets and pictures with Pillow: tiles, text, data URIs and PNG files."""

import base64
import io
import unicodedata
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from neatfool.shared.files import MIB, replacing

FILE_SIZE_AIM = 6 * MIB

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

BACKGROUND: Colour = (17, 19, 24)
TEXT: Colour = (236, 238, 242)
MUTED: Colour = (150, 158, 172)


COLOURS: tuple[Colour, ...] = (
    (78, 150, 255), (255, 150, 60), (70, 205, 150), (200, 130, 255), (255, 110, 165),
    (70, 205, 225), (220, 200, 70), (225, 70, 70), (235, 235, 240), (130, 140, 155),
)  # fmt: skip
"""Colours that can be told apart on a dark ground."""


@cache
def font(size: float) -> Font:
    """Pillow's own font; see `plain_text` for the letters it has."""
    return ImageFont.load_default(size)


def picture_uri(picture: Image.Image, side: int) -> str:
    """A picture as a data URI, see `encoded_picture`."""
    return encoded_uri(*encoded_picture(picture, side))


def encoded_picture(picture: Image.Image, side: int) -> tuple[bytes, str]:
    """A picture as a file, and its kind: PNG if it fits a square of `side`, else a WebP thumbnail that does."""
    buffer = io.BytesIO()
    if max(picture.size) <= side:
        picture.save(buffer, "PNG", optimize=True)
        return buffer.getvalue(), "png"
    _reduced(picture, side).save(buffer, "WEBP", quality=80)
    return buffer.getvalue(), "webp"


def encoded_uri(encoded: bytes, kind: str) -> str:
    """An image file of a kind, "png" or "webp", as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def canvas(width: int, height: int, colour: Colour | str = BACKGROUND) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty sheet and what draws on it."""
    sheet = Image.new("RGB", (width, height), colour)
    return sheet, ImageDraw.Draw(sheet)


def fit_tile(picture: Image.Image, side: int) -> Image.Image:
    """A picture that fits a square: enlarged by a whole factor without smoothing, or reduced smoothly."""
    longest = max(picture.size)
    if longest > side:
        return _reduced(picture, side)
    factor = side // longest
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def paste_tile(sheet: Image.Image, picture: Image.Image, corner: tuple[int, int], side: int) -> None:
    """Paste a picture, fitted by `fit_tile`, into the middle of a square.

    Args:
        sheet: where to paste it.
        picture: of any size.
        corner: left and top of the square.
        side: of the square.
    """
    tile = fit_tile(picture, side)
    left, top = corner
    sheet.paste(tile, (left + (side - tile.width) // 2, top + (side - tile.height) // 2))


def _reduced(picture: Image.Image, side: int) -> Image.Image:
    picture = picture.copy()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def plain_text(text: str) -> str:
    """Letters that pillow's own font can draw: accents are dropped, other scripts left out."""
    kept = (letter for letter in unicodedata.normalize("NFKD", text) if letter == "·" or letter.isascii())
    return "".join(letter for letter in kept if letter.isprintable()).strip()


def shorten(text: str, font: Font, width: float) -> str:
    """The text as `plain_text`, cut and closed by an ellipsis if it is wider than `width` pixels."""
    text = plain_text(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip(" ,") + "…"


def write_png(sheet: Image.Image, out: Path) -> None:
    """Write an RGB picture as PNG, with fewer colours if it would pass FILE_SIZE_AIM.

    Raises:
        RunError: the file cannot be written.
    """
    content = _png(sheet)
    for colours in (256, 64):
        if len(content) > FILE_SIZE_AIM:
            content = _png(sheet.quantize(palette=_palette(sheet, colours), dither=Image.Dither.NONE))
    with replacing(out) as temporary:
        temporary.write_bytes(content)


def _palette(sheet: Image.Image, colours: int) -> Image.Image:
    """A palette that suits the pictures, with some shades kept for the text."""
    shades = 12
    pictured = sheet.reduce(2).quantize(colours - shades, Image.Quantize.MEDIANCUT)
    chosen = (pictured.getpalette() or [])[: 3 * (colours - shades)]
    for shade in range(shades):
        part = shade / (shades - 1)
        chosen += [round(dark + part * (light - dark)) for dark, light in zip(BACKGROUND, TEXT, strict=True)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(chosen)
    return palette


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
