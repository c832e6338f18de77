"""A retraining as a picture and a page."""

from __future__ import annotations

from pathlib import Path

from neatfool.experiments.retraining.figure import draw_measure, draw_networks, measures
from neatfool.experiments.retraining.networks import read_networks
from neatfool.experiments.retraining.settings import read_retrain_config
from neatfool.figures.output import inline_svg, write_figure
from neatfool.figures.page import write_html
from neatfool.runs import RunFolder, setting_name


def write_rounds(folder: RunFolder, *, png: Path, html: Path) -> None:
    """Draws a run of `retrain`: a row for every network, as a picture and as a self-contained page with charts.

    Of more than ten classes the ten are shown that the first network was surest of.

    Args:
        folder: the run.
        png: picture to write.
        html: page to write.

    Raises:
        RunError: the run has no complete round yet, or a file is damaged or cannot be written.
    """
    networks, names = read_networks(folder)
    rows = [one.row for one in networks]
    title = f"{folder.manifest.model}, retrained against its fooling images"
    facts = f"{setting_name(folder.config, 'encoding')} · seed {read_retrain_config(folder).seed} · "
    facts += f"{rows[-1]['evaluations']:,} evaluations"
    drawn = measures(rows)
    figure = draw_networks(networks, names, drawn)
    write_figure(figure, png, title=title, subtitle=facts)
    write_html(
        Path(__file__).parent / "page.html.j2",
        html,
        title=title,
        facts=facts,
        charts=[
            (one.title.capitalize(), inline_svg(draw_measure(one, networks), f"{one.title} of every network"))
            for one in drawn
            if any(row[one.key] is not None for row in rows)
        ],
        figure=inline_svg(figure, "Images evolved against every network, and how it fared"),
        shown_classes=len(names),
        all_classes=len(folder.manifest.class_names),
        networks=networks,
    )
