"""The figures of diversity: how far images are apart, the elites of all runs in rows, and a map of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter1d

from neatfool.experiments.diversity.distances import class_distances
from neatfool.experiments.diversity.map import embed, spread
from neatfool.figures.charts import Line, draw_lines
from neatfool.figures.sheet import Sheet
from neatfool.figures.style import SERIES
from neatfool.figures.tiles import COLOURS, MUTED, TEXT, canvas, font, paste_tile, plain_text, shorten
from neatfool.shared.pixels import as_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neatfool.experiments.diversity.result import DiversityResult

MOST_SHEET_CLASSES = 20
"""Up to this many classes all are on the sheet; beyond, of the tenth that the classifier is surest of in every run,
those whose runs agree most and least.
"""

MOST_COLOURED_CLASSES = len(COLOURS)
"""Up to this many classes each has a frame of its own colour on the map; beyond, every picture is labelled."""

_BINS = 96
_CELLS_PER_PICTURE = 2.2  # of the map


def draw_distances(result: DiversityResult, measure: str) -> Figure | None:
    """The densities of the distances in each of `DiversityResult.groups`, in the colours of `SERIES`; None without any."""
    from matplotlib.ticker import MaxNLocator

    groups = {name: values[~np.isnan(values)] for name, values in result.groups(measure).items()}
    together = np.concatenate(list(groups.values()))
    if not len(together):
        return None
    low, high = float(together.min()), max(float(together.max()), float(together.min()) + 1e-6)
    lines = []
    for (name, values), colour in zip(groups.items(), SERIES, strict=False):
        if len(values):
            counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
            # Mirrored at the ends, so that smoothing moves nothing out of the range.
            density = gaussian_filter1d(counts / len(values), _BINS / 24, mode="reflect")
            lines.append(Line(name, (edges[1:] + edges[:-1]) / 2, density, colour=colour, filled=True))
    peak = max(float(np.max(line.y)) for line in lines)
    ticks = MaxNLocator(4).tick_values(low, high)
    x_ticks = [(float(tick), f"{tick:.3g}") for tick in ticks if low <= tick <= high]
    sheet = Sheet(280, 170)
    draw_lines(sheet.plot(0, 8, 268, 136), lines, x_ticks=x_ticks, y_ticks=((0, ""), (1.05 * peak, "")))
    return sheet.figure


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


def draw_map(result: DiversityResult, *, seed: int = 0) -> Image.Image:
    """Every elite of every run, placed by the classifier's features; no picture covers another.

    Args:
        result: the elites.
        seed: of t-SNE.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    count, size = result.images.shape[:2]
    places = embed(result.features.reshape(count * size, -1), seed=seed)
    columns = math.ceil(math.sqrt(_CELLS_PER_PICTURE * count * size * 1.3))
    rows = math.ceil(_CELLS_PER_PICTURE * count * size / columns)
    cells = spread(places, columns=columns, rows=rows)
    cells -= cells.min(0)
    columns, rows = (int(most) + 1 for most in cells.max(0))

    coloured = size <= MOST_COLOURED_CLASSES
    tile, caption = (84, 18) if count * size <= 300 else (64, 14)
    frame = 4 if coloured else 0
    step_x, step_y = tile + 2 * frame + 10, tile + 2 * frame + caption + 8
    margin = 48
    title = 34 if columns * step_x < 2500 else 64
    header = margin + title * 3 + (title if coloured else 0)
    sheet, draw = canvas(2 * margin + columns * step_x - 10, header + rows * step_y + margin)
    _draw_header(draw, result, sheet.width, margin=margin, title=title, coloured=coloured)
    small = font(12 if coloured or tile > 64 else 10)
    for index, (column, row) in enumerate(cells.tolist()):
        run, cell = divmod(index, size)
        left, top = margin + column * step_x, header + row * step_y
        if coloured:
            draw.rectangle((left, top, left + tile + 2 * frame - 1, top + tile + 2 * frame - 1), COLOURS[cell])
        paste_tile(sheet, as_picture(result.images[run, cell]), (left + frame, top + frame), tile)
        name = result.class_names[cell]
        label = f"{name} · run {run + 1}" if coloured else name
        draw.text((left, top + tile + 2 * frame + 2), shorten(label, small, tile + 2 * frame), MUTED, small)
    return sheet


def _draw_header(
    draw: ImageDraw.ImageDraw, result: DiversityResult, width: int, *, margin: int, title: int, coloured: bool
) -> None:
    count, size = result.images.shape[:2]
    large, small = font(title), font(round(title * 0.5))
    room = width - 2 * margin
    draw.text((margin, margin * 0.8), shorten(f"What {result.model} sees alike", large, room), TEXT, large)
    line = f"{count * size:,} elites of {count} runs · {size:,} classes · t-SNE of the penultimate features"
    draw.text((margin, margin * 0.8 + title * 1.35), shorten(line, small, room), MUTED, small)
    if coloured:
        left, top, side = float(margin), margin * 0.8 + title * 2.3, round(title * 0.5)
        for cell, name in enumerate(result.class_names):
            draw.rectangle((left, top + 2, left + side, top + 2 + side), COLOURS[cell])
            text = plain_text(name)
            draw.text((left + side + 6, top), text, TEXT, small)
            left += side + 24 + small.getlength(text)
