"""What every figure and page looks like: one palette, light and dark, and matplotlib's settings.

Figures are drawn in the light colours. On a page `inline_svg` puts CSS variables in their place, so that the reader's
own choice of light or dark holds for figures too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE: dict[str, tuple[str, str]] = {
    "page": ("#fbfbfa", "#111318"),
    "card": ("#ffffff", "#1a1d24"),
    "text": ("#1b1d22", "#eceef2"),
    "muted": ("#656b76", "#9aa2b0"),
    "rule": ("#e4e5e8", "#2d323c"),
    "c0": ("#5b6270", "#aab2c0"),
    "c1": ("#1f5fd0", "#7fb0ff"),
    "c2": ("#b55200", "#ffab5e"),
    "c3": ("#0b8457", "#4fd1a1"),
    "c4": ("#8b3fc4", "#cf9cff"),
    "c5": ("#c0286c", "#ff8fbd"),
    "c6": ("#0a7f96", "#5fd0e6"),
    "c7": ("#7a6a00", "#d8c750"),
}
"""Colour by the name of its CSS variable: (on a light page, on a dark page). All colours of a page differ."""

SERIES = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c0")
"""The colours of lines in their order; "c0" is the neutral one."""

PIXELS_PER_INCH = 72
"""Of figures: a pixel is a point, and font sizes and line widths are in pixels too."""

_SETTINGS: dict[Any, Any] = {
    "figure.dpi": PIXELS_PER_INCH,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that pictures are the same everywhere
    "image.composite_image": False,
    "path.simplify": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "neatfool",
    "text.parse_math": False,  # a class may be called $x$
}

_one_at_a_time = threading.RLock()


@contextmanager
def styled() -> Iterator[None]:
    """Draw or write figures inside, whatever the user's own settings of matplotlib are; they are left alone.

    The settings are global in matplotlib, therefore threads wait for each other here.
    """
    import matplotlib

    with _one_at_a_time, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many pixels; pictures of it have twice as many."""
    from matplotlib.figure import Figure

    return Figure((width / PIXELS_PER_INCH, height / PIXELS_PER_INCH), facecolor=light("page"))


def light(name: str) -> str:
    """The colour of a name of the palette on a light page."""
    return PALETTE[name][0]


def css_variables() -> str:
    """The palette as CSS: a variable for each colour, for light and dark pages."""
    on_light, on_dark = ("".join(f" --{name}: {pair[dark]};" for name, pair in PALETTE.items()) for dark in (0, 1))
    return f":root {{{on_light} }}\n@media (prefers-color-scheme: dark) {{ :root {{{on_dark} }} }}\n"
