"""A map of elites: pictures that a classifier sees alike lie close together."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from neatfool.errors import ConfigError
from neatfool.experiments.diversity.result import DiversityResult
from neatfool.figures.tiles import (
    COLOURS,
    MUTED,
    TEXT,
    as_picture,
    canvas,
    font,
    paste_tile,
    plain_text,
    shorten,
    write_png,
)

MOST_COLOURED_CLASSES = len(COLOURS)
"""Up to this many classes each has a frame of its own colour; beyond, every picture is labelled with its class."""

_CELLS_PER_PICTURE = 2.2
_MISSING = (
    "The map of elites needs scikit-learn, which is not installed; run pip install 'neatfool[map]', or leave the map "
    "out with --no-map."
)


def require_map() -> None:
    """Raises ConfigError if scikit-learn, which the map needs, is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ConfigError(_MISSING) from error


def embed(features: NDArray[np.float32], *, seed: int) -> NDArray[np.float64]:
    """Places vectors on a plane by t-SNE with cosine distances (van der Maaten & Hinton 2008).

    Args:
        features: shape (N, F), N at least 2.
        seed: the same seed gives the same map, on one machine and release of scikit-learn.

    Returns:
        Positions (N, 2), scaled to [0, 1] along each axis.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    require_map()
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(lengths > 0, lengths, 1)
    size = len(unit)
    with threadpool_limits(limits=1):  # threads would add up gradients in changing orders
        left, scales, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
        reduced = (left * scales)[:, :50]
        start = reduced[:, :2] if reduced.shape[1] > 1 else np.column_stack([reduced, np.zeros(size)])
        # The width that scikit-learn gives its own start from principal components.
        start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4
        places: NDArray[np.float64] = (
            TSNE(perplexity=min(30, (size - 1) / 3), init=start.astype(np.float32), random_state=seed)
            .fit_transform(reduced)
            .astype(np.float64)
        )
    low, high = places.min(0), places.max(0)
    scaled: NDArray[np.float64] = (places - low) / np.where(high > low, high - low, 1)
    return scaled


def spread(places: NDArray[np.float64], *, columns: int, rows: int) -> NDArray[np.int64]:
    """Moves places to cells of a grid, one each, so that they move as little as possible in all (squared distance).

    Args:
        places: shape (N, 2), in [0, 1].
        columns: width of the grid.
        rows: its height; columns x rows is at least N.

    Returns:
        Column and row of each, int64 (N, 2).
    """
    from scipy.optimize import linear_sum_assignment

    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    cells = np.column_stack([column.ravel(), row.ravel()])
    wanted = places * [columns - 1, rows - 1]
    cost = ((wanted[:, None] - cells[None]) ** 2).sum(2)
    _, chosen = linear_sum_assignment(cost)
    result: NDArray[np.int64] = cells[chosen]
    return result


def draw_map(result: DiversityResult, out: Path, *, seed: int = 0) -> None:
    """Writes a PNG with every elite of every run, placed by the classifier's features; no picture covers another.

    Args:
        result: the elites.
        out: the file to write.
        seed: of t-SNE.

    Raises:
        ConfigError: scikit-learn is not installed.
        RunError: the file cannot be written.
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
    write_png(sheet, out)


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
