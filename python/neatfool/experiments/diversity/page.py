"""The page of diversity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from neatfool.experiments.diversity.distances import class_distances
from neatfool.experiments.diversity.figure import MOST_SHEET_CLASSES, draw_distances
from neatfool.figures.output import inline_svg
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.style import SERIES
from neatfool.figures.tiles import picture_uri
from neatfool.shared.pixels import as_picture

if TYPE_CHECKING:
    from neatfool.experiments.diversity.result import DiversityResult

_MEASURES = {
    "pixels": ("Pixels", "Mean absolute difference; 1 is black against white."),
    "features": ("Features", "Cosine distance of the classifier's penultimate activations."),
    "structure": ("Structure of genomes", "Jaccard distance of the connections, by the kinds of nodes they join."),
    "compatibility": ("Compatibility of genomes", "NEAT's distance, within one run."),
}


def write_page(result: DiversityResult, out: Path, *, elite_map: Image.Image | None) -> None:
    """Writes a self-contained HTML page.

    Args:
        result: what to show.
        out: the file.
        elite_map: the picture of `draw_map`, if there is one.

    Raises:
        RunError: it cannot be written.
    """
    pixels, features = (
        np.diag(class_distances(result.distances[measure], same_run=False)) for measure in ("pixels", "features")
    )
    few = len(result.classes) <= MOST_SHEET_CLASSES
    order = range(len(result.classes)) if few else np.argsort(pixels, kind="stable").tolist()
    figures = {measure: draw_distances(result, measure) for measure in result.distances}
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        summary=result.summary(),
        groups=dict(zip(result.groups("pixels"), SERIES, strict=False)),
        figures=[
            (inline_svg(figure, f"Densities of the distances by {measure}"), *_MEASURES[measure])
            for measure, figure in figures.items()
            if figure
        ],
        rows=[
            {
                "name": result.class_names[cell],
                "pixels": float(pixels[cell]),
                "features": float(features[cell]),
                "images": [
                    {
                        "source": picture_uri(as_picture(result.images[run, cell]), 112),
                        "run": name,
                        "confidence": float(result.confidence[run, cell]),
                    }
                    for run, name in enumerate(result.runs)
                ],
            }
            for cell in order
        ],
        map=picture_uri(elite_map, 1800) if elite_map else None,
        pixelated=max(result.images.shape[3:]) <= SMALL_SIDE,
    )
