"""HTML pages: one template and one style sheet, which the templates of all pages extend."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from neatfool.figures.style import css_variables
from neatfool.figures.tiles import picture_uri
from neatfool.shared.files import replacing
from neatfool.shared.text import percent

SMALL_SIDE = 64
"""Pictures up to this side are shown enlarged and unsmoothed, pixel for pixel."""


def write_html(template: Path, out: Path, **values: Any) -> None:
    """Write an HTML page; see `render_html`.

    Args:
        template: a Jinja template.
        out: the file to write.
        **values: what the template names.

    Raises:
        RunError: the file cannot be written.
    """
    text = render_html(template, **values)
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render_html(template: Path, **values: Any) -> str:
    """An HTML page; everything put in is escaped.

    Args:
        template: a Jinja template. It extends "figures/page.html.j2", may import macros from "figures/macros.html.j2", and
            has the filters `percent` and `uri(side)`.
        **values: what the template names; a name without a value is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.FileSystemLoader(template.parent),
                jinja2.PrefixLoader({"figures": jinja2.FileSystemLoader(Path(__file__).parent / "templates")}),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {"percent": percent, "uri": picture_uri}
    environment.filters.update(filters)
    environment.globals["css_variables"] = css_variables
    return environment.get_template(template.name).render(**values)
