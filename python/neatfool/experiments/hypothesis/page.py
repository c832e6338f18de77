"""The page of the hypothesis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neatfool.experiments.hypothesis.figure import DEFENCE_NAMES, draw_attacks, draw_groups
from neatfool.figures.output import inline_svg
from neatfool.figures.page import write_html
from neatfool.figures.tiles import picture_uri
from neatfool.shared.pixels import as_picture

if TYPE_CHECKING:
    from neatfool.experiments.hypothesis.result import Hypothesis


def write_page(result: Hypothesis, out: Path) -> None:
    """Writes a self-contained HTML page: figures, a table of the attacks, and all images evolved.

    Raises:
        RunError: it cannot be written.
    """
    evolved = [group for group in result.groups if group.kind == "evolved"]
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        result=result,
        groups=inline_svg(draw_groups(result), "Bits per dimension of all kinds of images"),
        curves=inline_svg(draw_attacks(result.attacks), "Median confidence in the course of the attacks"),
        attacks=[attack.summary() for attack in result.attacks],
        defences=DEFENCE_NAMES,
        galleries=[
            (group.name, [picture_uri(as_picture(image), 28) for image in group.images])
            for group in (*evolved, *(attack.group for attack in result.attacks))
        ],
    )
