"""A badge for a README: the fooling score of a classifier, in the form of those that shields.io draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from neatfool.figures.sheet import printable, text_width
from neatfool.shared.files import replacing

if TYPE_CHECKING:
    from neatfool.experiments.audit.result import Audit

COLOURS = ((10, "#1f7a3d"), (25, "#4c7a17"), (45, "#856404"), (70, "#b04a05"), (100, "#b3261e"))
"""Highest score, and the colour up to it: white text is legible on all."""

_LABEL, _LABEL_COLOUR = "fooling score", "#484d57"
_HEIGHT, _SIZE, _MARGIN, _BASELINE = 20, 11, 6, 14


def write_badge(audit: Audit, out: Path) -> None:
    """Writes the badge of an audit as SVG.

    Raises:
        RunError: it cannot be written.
    """
    score = audit.score
    text = f"{score.value:.0f} ± {(score.high - score.low) / 2:.0f}"
    title = (
        f"Fooling score of {audit.model}: {score.value:.1f} of 100, 95 % interval {score.low:.1f} to {score.high:.1f} "
        f"({audit.protocol}, {audit.config.budget} passes)"
    )
    colour = next(colour for highest, colour in COLOURS if score.value <= highest)
    with replacing(out) as temporary:
        temporary.write_text(badge(text, colour, title), encoding="utf-8")


def badge(text: str, colour: str, title: str) -> str:
    """An SVG with the label and some text on a colour; the title is for those who cannot see it, or point at it."""
    widths = [text_width(part, _SIZE) + 2 * _MARGIN for part in (_LABEL, text)]
    whole = sum(widths)
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": f"{whole:.1f}",
            "height": str(_HEIGHT),
            "viewBox": f"0 0 {whole:.1f} {_HEIGHT}",
            "role": "img",
            "aria-label": printable(title),
        },
    )
    ElementTree.SubElement(root, "title").text = printable(title)
    clip = ElementTree.SubElement(root, "clipPath", {"id": "round"})
    ElementTree.SubElement(clip, "rect", {"width": f"{whole:.1f}", "height": str(_HEIGHT), "rx": "3"})
    boxes = ElementTree.SubElement(root, "g", {"clip-path": "url(#round)"})
    font = {"font-family": "Verdana,'DejaVu Sans',Geneva,sans-serif", "font-size": str(_SIZE), "fill": "#fff"}
    words = ElementTree.SubElement(root, "g", font)
    left = 0.0
    for part, fill, width in zip((_LABEL, text), (_LABEL_COLOUR, colour), widths, strict=True):
        box = {"x": f"{left:.1f}", "width": f"{width:.1f}", "height": str(_HEIGHT), "fill": fill}
        ElementTree.SubElement(boxes, "rect", box)
        # Whatever font the reader has, the text fills its box.
        place = {"x": f"{left + _MARGIN:.1f}", "y": str(_BASELINE), "textLength": f"{width - 2 * _MARGIN:.1f}"}
        ElementTree.SubElement(words, "text", place).text = part
        left += width
    return ElementTree.tostring(root, encoding="unicode") + "\n"
