"""Figures as files and as part of pages."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from neatfool.figures.page import SMALL_SIDE
from neatfool.figures.sheet import MEANT, fitting, printable
from neatfool.figures.style import PALETTE, PIXELS_PER_INCH, light, styled
from neatfool.shared.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN = 28
"""Around the figures in PNG files."""

_COLOURS = {on_light: f"var(--{name})" for name, (on_light, _) in PALETTE.items()}


def write_figure(figure: Figure, out: Path, *, title: str, subtitle: str = "") -> None:
    """Write a figure as PNG, two pixels for each of its own, with a title; the same figure gives the same bytes.

    Args:
        figure: what to write.
        out: the file to write.
        title: what the figure shows; on a page its heading says so.
        subtitle: a smaller line below.

    Raises:
        RunError: the file cannot be written.
    """
    from matplotlib.transforms import Bbox

    width, height = (PIXELS_PER_INCH * float(side) for side in figure.get_size_inches())
    head = 62 if subtitle else 40
    content = io.BytesIO()
    with styled():
        lines = [
            figure.text(
                0,
                1 + (head - baseline) / height,
                fitting(text, size, width, bold=weight == "bold")[0],
                size=size,
                color=light(colour),
                weight=weight,
            )
            for text, baseline, size, colour, weight in (
                (title, 17, 20, "text", "bold"),
                (subtitle, 40, 12, "muted", "normal"),
            )
        ]
        area = Bbox.from_extents(-_MARGIN, -_MARGIN, width + _MARGIN, height + head + _MARGIN)
        whole = Bbox(area.get_points() / PIXELS_PER_INCH)
        figure.savefig(content, format="png", dpi=2 * PIXELS_PER_INCH, metadata={"Software": None}, bbox_inches=whole)
        for line in lines:
            line.remove()
    with replacing(out) as temporary:
        temporary.write_bytes(content.getvalue())


def inline_svg(figure: Figure, label: str) -> Markup:
    """A figure as an SVG element for a page that has the style sheet: its text is text, its colours are the page's.

    Args:
        figure: what to show. It fills the width there is, within reason.
        label: what it shows, for those who cannot see it.
    """
    content = io.StringIO()
    nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
    with styled():
        figure.savefig(content, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(content.getvalue())  # noqa: S314 - not a stranger's file
    shapes = {element.get("id"): element for element in root.iter() if _plain(element.tag) == "path"}
    drawing = ElementTree.Element("svg")
    drawing.attrib = {
        "class": "chart",
        "viewBox": root.get("viewBox", ""),
        "role": "img",
        "aria-label": printable(label),
        "style": f"--width: {figure.get_figwidth() * PIXELS_PER_INCH:g}px",
    }
    _copy(root, drawing, shapes)
    return Markup(ElementTree.tostring(drawing, encoding="unicode"))  # noqa: S704 - escaped by ElementTree


def _copy(
    source: ElementTree.Element, target: ElementTree.Element, shapes: dict[str | None, ElementTree.Element]
) -> None:
    """Copy what is drawn, without ids, which would have to differ between all the figures of a page."""
    for child in source:
        name = _plain(child.tag)
        attributes = {_plain(key): value for key, value in child.attrib.items()}
        meant = attributes.pop("id", "")
        attributes.pop("clip-path", None)
        if name in ("defs", "metadata"):
            continue
        if name == "g":  # groups have nothing but ids
            first = len(target)
            _copy(child, target, shapes)
            if meant.startswith(MEANT):
                target[first].text = meant.removeprefix(MEANT)
            continue
        if name == "use":
            shape = shapes[attributes.pop("href").removeprefix("#")]
            attributes["transform"] = f"translate({attributes.pop('x')} {attributes.pop('y')})"
            attributes["d"] = shape.get("d", "")
            name = "path"
        if name == "text":
            del attributes["transform"]  # a rotation by 0
        if name == "image":
            attributes["href"] = "".join(attributes["href"].split())
            smooth = float(attributes["width"]) > SMALL_SIDE
            attributes["style"] = f"image-rendering: {'auto' if smooth else 'pixelated'}"
        if "d" in attributes:
            attributes["d"] = " ".join(attributes["d"].split())
        if "style" in attributes:
            attributes["style"] = _page_style(attributes["style"])
        ElementTree.SubElement(target, name, attributes).text = child.text if name == "text" else None


def _plain(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _page_style(style: str) -> str:
    """A style with the page's colours and font, and text that small screens enlarge."""
    rules = dict(rule.strip().split(": ", 1) for rule in style.split(";") if rule.strip())
    if font := rules.pop("font", None):  # so older releases of matplotlib write "italic bold 12px 'DejaVu Sans'"
        *kinds, rules["font-size"] = font.partition(" '")[0].split()
        rules.update({"font-style" if kind in ("italic", "oblique") else "font-weight": kind for kind in kinds})
    rules.pop("font-family", None)
    if size := rules.get("font-size"):
        rules["font-size"] = f"calc({size} * var(--larger, 1))"
    return "; ".join(f"{name}: {_COLOURS.get(value, value)}" for name, value in rules.items())
