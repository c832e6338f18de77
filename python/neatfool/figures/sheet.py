"""A figure laid out in pixels, counted from its top left corner to the right and down."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from neatfool.figures.style import PIXELS_PER_INCH, light, new_figure, styled
from neatfool.figures.tiles import fit_tile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ft2font import FT2Font

_MIDDLE = 0.36
"""How far below the middle of a line of text its baseline lies, in parts of the font's size."""

MEANT = "meant:"
"""Begins the id of text with letters that matplotlib's font lacks; the text as it is meant follows."""

_SHARPNESS = 2
"""Pixels of a picture for each pixel of the sheet."""


class Sheet:
    """A matplotlib figure with text, pictures, boxes and plots at given places.

    Attributes:
        figure: the matplotlib `Figure`.
        width, height: in pixels.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        with styled():
            self.figure = new_figure(width, height)
            self._axes = self.figure.add_axes((0, 0, 1, 1), frameon=False)
            self._axes.set_axis_off()
            self._axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        colour: str = "text",
        align: Literal["left", "center", "right"] = "left",
        bold: bool = False,
        italic: bool = False,
        room: float | None = None,
    ) -> None:
        """Write a line of text, literally.

        Args:
            x: its left end, centre or right end, as `align` says.
            y: its middle.
            text: any text; what cannot be printed is left out.
            size: of the font.
            colour: a name of the palette.
            align: what `x` means.
            bold: whether it is bold.
            italic: whether it is slanted.
            room: how wide it may be; it is cut and closed by an ellipsis if it is wider.
        """
        with styled():
            shown, meant = fitting(text, size, room, bold=bold)
            self._axes.text(
                x,
                y + _MIDDLE * size,
                shown,
                size=size,
                color=light(colour),
                ha=align,
                va="baseline",
                weight="bold" if bold else "normal",
                style="italic" if italic else "normal",
                gid=MEANT + meant if shown != meant else None,
            )

    def picture(self, picture: Image.Image, left: float, top: float, side: float) -> None:
        """Show a picture in the middle of a square: enlarged without smoothing, or reduced smoothly."""
        if max(picture.size) > _SHARPNESS * side:
            picture = fit_tile(picture, round(_SHARPNESS * side))
        scale = side / max(picture.size)
        wide, tall = picture.width * scale, picture.height * scale
        x, y = left + (side - wide) / 2, top + (side - tall) / 2
        pixels = np.asarray(picture.convert("RGB"))
        with styled():
            self._axes.imshow(
                pixels, extent=(x, x + wide, y + tall, y), interpolation="none", aspect="auto", clip_on=False
            )
            self._axes.set(xlim=(0, self.width), ylim=(self.height, 0))  # imshow moved them
        self.box(x, y, wide, tall, None, outline="rule")  # so that white pictures do not vanish on a white page

    def box(
        self,
        left: float,
        top: float,
        width: float,
        height: float,
        colour: str | None,
        *,
        alpha: float = 1,
        radius: float = 0,
        outline: str | None = None,
    ) -> None:
        """Draw a rectangle, filled (colour None: not) with a colour of the palette, its corners rounded."""
        from matplotlib.patches import FancyBboxPatch

        shape = f"round,pad=0,rounding_size={radius}" if radius else "square,pad=0"
        with styled():
            self._axes.add_patch(
                FancyBboxPatch(
                    (left, top),
                    width,
                    height,
                    boxstyle=shape,
                    facecolor="none" if colour is None else (light(colour), alpha),
                    edgecolor="none" if outline is None else light(outline),
                    clip_on=False,
                )
            )

    def line(
        self, x: Sequence[float], y: Sequence[float], colour: str, *, width: float = 1, dashed: bool = False
    ) -> None:
        """Draw a line through points of the sheet."""
        with styled():
            style = (0, (4, 3)) if dashed else "-"
            self._axes.plot(x, y, color=light(colour), linewidth=width, linestyle=style, clip_on=False)

    def legend(self, left: float, top: float, width: float, entries: Sequence[tuple[str, str]]) -> float:
        """Write names after strokes of their colours, in as many lines as they need.

        Args:
            left: its left end.
            top: its upper end.
            width: its width.
            entries: (name, colour of the palette) of each.

        Returns:
            Its height.
        """
        size, stroke, gap, line_height = 12.0, 24.0, 22.0, 20.0
        x, y = left, top + line_height / 2
        for name, colour in entries:
            room = width - stroke
            needed = stroke + min(1.1 * text_width(name, size), room)  # a page's own font may be wider
            if x > left and x + needed > left + width:
                x, y = left, y + line_height
            self.line((x, x + 16), (y, y), colour, width=3)
            self.text(x + stroke, y, name, size=size, colour="muted", room=room)
            x += needed + gap
        return y + line_height / 2 - top

    def plot(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes for a plot, with nothing around it."""
        with styled():
            axes = self.figure.add_axes(
                (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height),
                frameon=False,
            )
            axes.set(xticks=[], yticks=[], autoscale_on=False)
            axes.tick_params(length=0)
        return axes


def printable(text: str) -> str:
    """The text on one line, without the characters that no reader sees."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a line of text is, in pixels of the sheet."""
    with styled():
        font = _font(bold)
        font.set_size(size, PIXELS_PER_INCH)
        font.set_text(_legible(printable(text), font))
        return float(font.get_width_height()[0]) / 64


def fitting(text: str, size: float, room: float | None, *, bold: bool = False) -> tuple[str, str]:
    """A line of text cut to the room there is: as matplotlib's font can draw it, and as it is meant."""
    text = printable(text)
    if room is not None and text_width(text, size, bold=bold) > room:
        # Measuring takes milliseconds, and names may have a thousand letters.
        fits = bisect_right(range(len(text)), room, key=lambda end: text_width(text[:end] + "…", size, bold=bold))
        text = text[: max(fits - 1, 0)].rstrip(" ,") + "…"
    return _legible(text, _font(bold)), text


def _legible(text: str, font: FT2Font) -> str:
    known = font.get_charmap()
    return "".join(letter if ord(letter) in known else "\N{WHITE SQUARE}" for letter in text)


@cache
def _font(bold: bool) -> FT2Font:
    """The font that `styled` chooses, to measure with."""
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(str(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal"))))
