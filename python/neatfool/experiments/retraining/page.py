"""A retraining as a picture and a page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import RunError
from neatfool.experiments.retraining.figure import Network, draw_measure, draw_networks, measures
from neatfool.experiments.retraining.fooling import best_of
from neatfool.experiments.retraining.rounds import read_rounds
from neatfool.experiments.retraining.settings import read_retrain_config
from neatfool.experiments.retraining.state import read_judged
from neatfool.figures.output import inline_svg, write_figure
from neatfool.figures.page import write_html
from neatfool.runs import RunFolder, setting_name
from neatfool.shared.pixels import as_picture

MOST_CLASSES = 10


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
    rows = [asdict(one) for one in read_rounds(folder)]
    if not rows:
        raise RunError(f"{folder.path} has no complete round yet; continue it with `neatfool resume`.")
    first = best_of(list(read_judged(folder, 0).values()))[1]
    shown = np.sort(np.argsort(-first, kind="stable")[:MOST_CLASSES])
    names = [folder.manifest.class_names[index] for index in shown]
    networks = [_network(folder, number, shown, row) for number, row in enumerate(rows)]
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


def _network(folder: RunFolder, number: int, shown: NDArray[np.int64], row: dict[str, Any]) -> Network:
    pixels, confidence = best_of(list(read_judged(folder, number).values()))
    if shown.max() >= len(pixels):
        raise RunError(f"Round {number} of {folder.path} has images of fewer classes than round 0; it is damaged.")
    return Network(f"DNN{number + 1}", [as_picture(one) for one in pixels[shown]], confidence[shown].tolist(), row)
