"""Figures in notebooks, which have no style sheet of ours."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

from neatfool.figures.style import PIXELS_PER_INCH, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_html(figure: Figure, label: str) -> str:
    """A figure as an HTML image, with a label for those who cannot see it."""
    content = io.BytesIO()
    with styled():
        figure.savefig(content, format="png", dpi=2 * PIXELS_PER_INCH)
    data = base64.b64encode(content.getvalue()).decode()
    width = figure.get_figwidth() * PIXELS_PER_INCH
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(label)}" width="{width:g}">'
