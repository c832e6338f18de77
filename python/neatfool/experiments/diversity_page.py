"""Diversity as a page, pictures and a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from neatfool.errors import RunError
from neatfool.experiments.diversity import DiversityResult, class_distances
from neatfool.experiments.elite_map import draw_map
from neatfool.experiments.figures import as_picture, curve, image_uri, picture_uri, write_page
from neatfool.report.gallery import BACKGROUND, MUTED, TEXT, compress, fit_square, plain_text, shorten
from neatfool.runs.files import replacing, to_json

MOST_SHEET_CLASSES = 20
"""Up to this many classes all are on the sheet; beyond, of the tenth that the classifier is surest of in every run,
those whose runs agree most and least.
"""

_SMALL_SIDE = 64
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
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"The folder {out} cannot be made ({error.strerror}); choose another --out.") from error
    with replacing(out / "diversity.json") as temporary:
        temporary.write_text(to_json(result.summary(), indent=1) + "\n", encoding="utf-8")
    map_uri = None
    if draw_elite_map:
        draw_map(result, out / "map.png", seed=seed)
        with Image.open(out / "map.png") as picture:
            map_uri = image_uri(picture.convert("RGB"), 1800)
    with replacing(out / "diversity.png") as temporary:
        temporary.write_bytes(compress(draw_sheet(result)))
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
    text: Any = ImageFont.load_default(20)
    widest = max(text.getlength(plain_text(name)) for name in result.class_names)
    label = min(230, max(70, round(widest) + 24))
    # Two columns of classes side by side, so that the sheet is not a ribbon.
    column = label + count * (tile + gap) + 40
    wide = max(2 * margin + 2 * column - 40 - gap, 1000)
    rows = [-(-len(cells) // 2) for _, cells in groups]
    tall = 130 + sum(
        number * (tile + gap) + (heading + 16 if title else 0) for number, (title, _) in zip(rows, groups, strict=True)
    )
    sheet = Image.new("RGB", (wide, tall + margin), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    title_font: Any = ImageFont.load_default(34)
    small: Any = ImageFont.load_default(14)
    draw.text((margin, margin * 0.8), f"One class, {count} runs", TEXT, title_font)
    line = f"{result.model} · elites of {size:,} classes · below each name: mean difference of pixels between the runs"
    draw.text((margin, margin * 0.8 + 48), shorten(plain_text(line), text, wide - 2 * margin), MUTED, text)
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
            draw.text((left, line_top + tile / 2 + 14), f"{pixels[cell]:.2f}", MUTED, small, "lm")
            for run in range(count):
                picture = fit_square(as_picture(result.images[run, cell]), tile)
                inset = ((tile - picture.width) // 2, (tile - picture.height) // 2)
                sheet.paste(picture, (left + label + run * (tile + gap) + inset[0], line_top + inset[1]))
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
                    "source": picture_uri(result.images[run, cell], 112),
                    "run": name,
                    "confidence": float(result.confidence[run, cell]),
                }
                for run, name in enumerate(result.runs)
            ],
        }
        for cell in order
    ]
    write_page(
        "diversity.html.j2",
        out,
        summary=summary,
        groups=list(result.groups("pixels")),
        plots=[_plot(result, measure) for measure in result.distances],
        rows=rows,
        map=map_uri,
        pixelated=max(result.images.shape[3:]) <= _SMALL_SIDE,
    )


def _plot(result: DiversityResult, measure: str) -> dict[str, Any]:
    groups = [values[~np.isnan(values)] for values in result.groups(measure).values()]
    together = np.concatenate(groups)
    low, high = (float(together.min()), float(together.max())) if len(together) else (0.0, 1.0)
    high = max(high, low + 1e-6)
    curves = [_density(values, low, high) for values in groups]
    peak = max((float(one.max()) for one in curves if one is not None), default=1.0)
    title, note = _PLOTS[measure]
    paths = [None if one is None else curve(one / peak, 1000, 400) for one in curves]
    return {"title": title, "note": note, "low": low, "high": high, "paths": paths}


def _density(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float64] | None:
    """Shares of values in equal bins, smoothed a little; None without values."""
    if not len(values):
        return None
    counts, _ = np.histogram(values, bins=_BINS, range=(low, high))
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2) ** 2)
    smooth: NDArray[np.float64] = np.convolve(counts / len(values), kernel / kernel.sum(), mode="same")
    return smooth
