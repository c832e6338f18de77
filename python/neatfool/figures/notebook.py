"""Figures and pictures in notebooks, which have no style sheet of ours."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.figures.style import PIXELS_PER_INCH, styled
from neatfool.figures.tiles import picture_uri

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 100
_SIDE = 96


def figure_html(figure: Figure, label: str) -> str:
    """A figure as an HTML image, with a label for those who cannot see it."""
    content = io.BytesIO()
    with styled():
        figure.savefig(content, format="png", dpi=2 * PIXELS_PER_INCH)
    data = base64.b64encode(content.getvalue()).decode()
    width = figure.get_figwidth() * PIXELS_PER_INCH
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(label)}" width="{width:g}">'


def gallery_html(images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], captions: Sequence[str]) -> str:
    """Pictures with a caption below each, as HTML that needs nothing else; of more than a hundred, the first hundred.

    Args:
        images: uint8 (H, W) or (H, W, 3) each.
        captions: a line for each; escaped here.
    """
    style = f"width:{_SIDE}px;height:{_SIDE}px;object-fit:contain;image-rendering:pixelated"
    tiles = [
        f'<figure style="margin:0;width:{_SIDE}px">'
        f'<img style="{style}" alt="" src="{picture_uri(Image.fromarray(image), _SIDE)}">'
        f'<figcaption style="font-size:11px;overflow-wrap:anywhere">{html.escape(caption)}</figcaption></figure>'
        for image, caption in zip(images[:_MOST], captions[:_MOST], strict=True)
    ]
    rest = len(captions) - len(tiles)
    more = f'<p style="font-size:11px">and {rest:,} more</p>' if rest > 0 else ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(tiles)}</div>{more}'
