"""Diversity as a page, pictures and a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.experiments.diversity.distances import class_distances
from neatfool.experiments.diversity.map import draw_map
from neatfool.experiments.diversity.result import DiversityResult
from neatfool.figures.charts import curve
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import (
    MUTED,
    TEXT,
    as_picture,
    canvas,
    font,
    paste_tile,
    picture_uri,
    plain_text,
    shorten,
    write_png,
)
from neatfool.shared.files import make_folder, write_json

MOST_SHEET_CLASSES = 20
"""Up to this many classes all are on the sheet; beyond, of the tenth that the classifier is surest of in every run,
those whose runs agree most and least.
"""

_BINS = 48
_PLOTS = {
    "pixels": ("Pixels", "Mean absolute difference; 1 is black against white."),
    "features": ("Features", "Cosine distance of the classifier's penultimate activations."),
    "structure": ("Structure of genomes", "Jaccard distance of the connections, by the kinds of nodes they join."),
    "compatibility": ("Compatibility of genomes", "NEAT's distance, within one run."),
}


def write_diversity(result: DiversityResult, out: Path, *, draw_elite_map: bool = True, seed: int = 0) -> None:
    """Writes `diversity.json`, `diversity.html`, `diversity.png` and `map.png` into a folder, which is made if need be.

    Args:
        result: what to show.
        out: the folder.
        draw_elite_map: whether to draw the map, which needs scikit-learn.
        seed: of the map.

    Raises:
        ConfigError: scikit-learn is not installed.
        RunError: a file cannot be written.
    """
    make_folder(out)
    write_json(out / "diversity.json", result.summary())
    map_uri = None
    if draw_elite_map:
        draw_map(result, out / "map.png", seed=seed)
        with Image.open(out / "map.png") as picture:
            map_uri = picture_uri(picture.convert("RGB"), 1800)
    write_png(draw_sheet(result), out / "diversity.png")
    _write_html(result, out / "diversity.html", map_uri)


def draw_sheet(result: DiversityResult) -> Image.Image:
    """The figure: a class's elites of every run in a row; of many classes those that runs agree on most and least."""
    count, size = result.images.shape[:2]
    pixels = np.diag(class_distances(result.distances["pixels"], same_run=False))
    if size <= MOST_SHEET_CLASSES:
        groups = [("", list(range(size)))]
    else:
        sure = np.argsort(-result.confidence.min(0), kind="stable")[: max(MOST_SHEET_CLASSES, size // 10)]
        order = sure[np.argsort(pixels[sure], kind="stable")].tolist()
        half = MOST_SHEET_CLASSES // 2
        groups = [("Runs agree most", order[:half]), ("Runs agree least", order[::-1][:half])]
    margin, gap, heading = 48, 10, 40
    tile = 112 if count <= 8 else 84
    text = font(20)
    widest = max(text.getlength(plain_text(name)) for name in result.class_names)
    label = min(230, max(70, round(widest) + 24))
    # Two columns of classes side by side, so that the sheet is not a ribbon.
    column = label + count * (tile + gap) + 40
    wide = max(2 * margin + 2 * column - 40 - gap, 1000)
    rows = [-(-len(cells) // 2) for _, cells in groups]
    tall = 130 + sum(
        number * (tile + gap) + (heading + 16 if title else 0) for number, (title, _) in zip(rows, groups, strict=True)
    )
    sheet, draw = canvas(wide, tall + margin)
    draw.text((margin, margin * 0.8), f"One class, {count} runs", TEXT, font(34))
    line = f"{result.model} · elites of {size:,} classes · below each name: mean difference of pixels between the runs"
    draw.text((margin, margin * 0.8 + 48), shorten(line, text, wide - 2 * margin), MUTED, text)
    top = 130
    for number, (title, cells) in zip(rows, groups, strict=True):
        if title:
            draw.text((margin, top + 8), title, TEXT, text)
            top += heading
        for place, cell in enumerate(cells):
            side, row = divmod(place, number)
            left, line_top = margin + side * column, top + row * (tile + gap)
            name = plain_text(result.class_names[cell]) or str(result.classes[cell])
            draw.text((left, line_top + tile / 2 - 12), shorten(name, text, label - 20), TEXT, text, "lm")
            draw.text((left, line_top + tile / 2 + 14), f"{pixels[cell]:.2f}", MUTED, font(14), "lm")
            for run in range(count):
                picture = as_picture(result.images[run, cell])
                paste_tile(sheet, picture, (left + label + run * (tile + gap), line_top), tile)
        top += number * (tile + gap) + 16
    return sheet


def _write_html(result: DiversityResult, out: Path, map_uri: str | None) -> None:
    summary = result.summary()
    pixels = np.diag(class_distances(result.distances["pixels"], same_run=False))
    features = np.diag(class_distances(result.distances["features"], same_run=False))
    order = (
        range(len(result.classes))
        if len(result.classes) <= MOST_SHEET_CLASSES
        else np.argsort(pixels, kind="stable").tolist()
    )
    rows = [
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
    ]
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        summary=summary,
        groups=list(result.groups("pixels")),
        plots=[_plot(result, measure) for measure in result.distances],
        rows=rows,
        map=map_uri,
        pixelated=max(result.images.shape[3:]) <= SMALL_SIDE,
    )


def _plot(result: DiversityResult, measure: str) -> dict[str, Any]:
    groups = [values[~np.isnan(values)] for values in result.groups(measure).values()]
    together = np.concatenate(groups)
    low, high = (float(together.min()), float(together.max())) if len(together) else (0.0, 1.0)
    high = max(high, low + 1e-6)
    curves = [_density(values, low, high) for values in groups]
    peak = max((float(one.max()) for one in curves if one is not None), default=1.0)
    title, note = _PLOTS[measure]
    paths = [None if one is None else curve(one / peak) for one in curves]
    return {"title": title, "note": note, "low": low, "high": high, "paths": paths}


def _density(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float64] | None:
    """Shares of values in equal bins, smoothed a little; None without values."""
    if not len(values):
        return None
    counts, _ = np.histogram(values, bins=_BINS, range=(low, high))
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2) ** 2)
    smooth: NDArray[np.float64] = np.convolve(counts / len(values), kernel / kernel.sum(), mode="same")
    return smooth
