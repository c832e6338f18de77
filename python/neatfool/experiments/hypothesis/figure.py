"""How probable a generative classifier finds images, on one picture and on a page: a histogram for each kind of image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from neatfool.experiments.hypothesis.result import Attack, Hypothesis, ImageGroup, Kind
from neatfool.figures.charts import svg_path, thinned
from neatfool.figures.page import write_html
from neatfool.figures.tiles import INK, PALE_INK, PAPER, canvas, font, picture_uri, shorten, write_png
from neatfool.shared.text import percent

LOWEST, HIGHEST, BINS = 1.0, 25.0, 150
"""The horizontal axis, in bits per dimension on a logarithmic scale, and the histogram's bins."""
TICKS = (1, 2, 5, 10, 20)
SHOWN = 10

HEADINGS: dict[Kind, str] = {
    "real": "Real digits, not used for the thresholds",
    "evolved": "Evolved to fool another classifier",
    "control": "Controls",
    "attack": "Evolved to fool the generative classifier itself",
}
COLOURS: dict[Kind, str] = {"real": "#2c8a4b", "evolved": "#c2410c", "control": "#5b6472", "attack": "#7c3aed"}

_RULE, _ACCEPTED, _REJECTED = "#d8dade", "#e9f5ec", "#b91c1c"
_MARGIN, _ROW, _HEADING, _THUMB = 36, 54, 40, 42
_NAME, _STRIP, _PLOT, _NUMBER = 320, 5 * 46, 560, 112


@dataclass(frozen=True)
class Row:
    """One kind of image on the figure.

    Attributes:
        group: the images.
        heights: of the histogram's bars, in [0, 1], the highest 1; float64 (BINS,).
        sure: the median confidence, in the class evolved for where there is one.
    """

    group: ImageGroup
    heights: NDArray[np.float64]
    sure: float

    @property
    def path(self) -> str:
        """The histogram as SVG path data in a box of BINS x 1, the baseline at 1."""
        return "".join(f"M{index} 1v{-height:.3f}h1V1z" for index, height in enumerate(self.heights) if height > 0)

    @property
    def picture(self) -> str:
        """Examples side by side as a data URI."""
        examples = Image.fromarray(strip(self.group, SHOWN))
        return picture_uri(examples, examples.width)


def position(bits: float) -> float:
    """Where a number of bits per dimension lies on the axis, 0 to 1."""
    clipped = min(max(bits, LOWEST), HIGHEST)
    return float(np.log(clipped / LOWEST) / np.log(HIGHEST / LOWEST))


def sections(result: Hypothesis) -> list[tuple[Kind, list[Row]]]:
    """The figure's rows under their headings."""
    groups = [*result.groups, *(attack.group for attack in result.attacks)]
    found = [(kind, [row_of(group) for group in groups if group.kind == kind]) for kind in HEADINGS]
    return [(kind, rows) for kind, rows in found if rows]


def row_of(group: ImageGroup) -> Row:
    """One row of the figure."""
    bins = [min(int(position(bits) * BINS), BINS - 1) for bits in group.bits]
    counts = np.bincount(bins, minlength=BINS)
    summary = group.summary()
    sure = summary.get("median_confidence_in_target", summary["median_confidence"])
    return Row(group, counts / counts.max(), float(sure))


def strip(group: ImageGroup, count: int) -> NDArray[np.uint8]:
    """Up to `count` of a group's images side by side, uint8 (28, 30 count - 2).

    Evolved images in class order; of all others some from the least to the most probable.
    """
    order = np.arange(len(group.images))
    if group.kind not in ("evolved", "attack"):
        order = np.argsort(group.log_likelihood, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]
    padded = np.pad(group.images[chosen, 0], ((0, 0), (0, 0), (0, 2)), constant_values=255)
    return np.ascontiguousarray(np.concatenate(list(padded), axis=1)[:, :-2])


def draw_figure(result: Hypothesis, out: Path) -> None:
    """Writes the figure as PNG.

    Raises:
        RunError: it cannot be written.
    """
    parts = sections(result)
    rows = sum(len(rows) for _, rows in parts)
    top = _MARGIN + 92
    width = 2 * _MARGIN + _NAME + _STRIP + _PLOT + 3 * _NUMBER
    height = top + rows * _ROW + len(parts) * _HEADING + 70 + _MARGIN
    sheet, draw = canvas(width, height, PAPER)
    plot = _MARGIN + _NAME + _STRIP
    bottom = height - _MARGIN - 58
    draw.text((_MARGIN, _MARGIN - 10), "How probable is it that this is a digit?", INK, font(26))
    draw.text((_MARGIN, _MARGIN + 28), subtitle(result), PALE_INK, font(15))
    for number, words in enumerate(("rejected,\none-sided", "rejected,\ntwo-sided", "median\nconfidence")):
        place = (plot + _PLOT + (number + 1) * _NUMBER, top - 42)
        draw.text(place, words, PALE_INK, font(13), "ra", align="right")
    low, typical_low, typical_high = (plot + _PLOT * place for place in bounds(result))
    draw.rectangle((typical_high, top, typical_low, bottom), _ACCEPTED)
    for tick in TICKS:
        x = plot + _PLOT * position(tick)
        draw.line((x, top, x, bottom), _RULE)
        draw.text((x, bottom + 6), f"{tick:g}", PALE_INK, font(13), "ma")
    middle = plot + _PLOT / 2
    draw.text((middle, bottom + 26), "bits per dimension, -log2 p(x) / 784", PALE_INK, font(13), "ma")
    draw.text((middle, bottom + 44), NOTE, PALE_INK, font(13), "ma")
    y = top
    for kind, members in parts:
        draw.text((_MARGIN, y + 12), HEADINGS[kind], COLOURS[kind], font(15))
        y += _HEADING
        for row in members:
            _draw_row(sheet, draw, row, y, plot)
            y += _ROW
    draw.line((low, top, low, bottom), _REJECTED, 2)
    write_png(sheet, out)


NOTE = "green: accepted by the two-sided test; right of the red line: rejected by the one-sided test"


def bounds(result: Hypothesis) -> tuple[float, float, float]:
    """The thresholds' places on the axis."""
    low, typical_low, typical_high = (
        position(values["bits_per_dimension"]) for values in result.summary()["thresholds"].values()
    )
    return low, typical_low, typical_high


def subtitle(result: Hypothesis) -> str:
    """What the classifier does with real digits, in words."""
    digits = result.digits
    return (
        f"density-mnist: {percent(result.accuracy)} of the test digits classified correctly, "
        f"{digits.bits.mean():.3f} bits per dimension; of {len(digits.images):,} digits unseen by the thresholds the "
        f"one-sided test rejects {percent(digits.rejected_low)}, the two-sided {percent(digits.rejected_typical)}"
    )


def write_page(result: Hypothesis, out: Path) -> None:
    """Writes a self-contained HTML page: figure, tables, and all images evolved.

    Raises:
        RunError: it cannot be written.
    """
    low, typical_low, typical_high = bounds(result)
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        result=result,
        subtitle=subtitle(result),
        sections=sections(result),
        headings=HEADINGS,
        colours=COLOURS,
        bins=BINS,
        ticks=[(f"{tick:g}", position(tick)) for tick in TICKS],
        low=low,
        typical=(typical_high, typical_low),
        note=NOTE,
        attacks=[(attack, curve(attack)) for attack in result.attacks],
        median=np.median,
    )


def curve(attack: Attack) -> str:
    """An attack's median confidence over its evaluations as SVG path data; see `svg_path`."""
    end = max(float(attack.curve[-1, 0]), 1.0)
    points = (attack.curve[index] for index in thinned(len(attack.curve)))
    return svg_path((evaluations / end, median) for evaluations, median in points)


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: Row, y: int, plot: float) -> None:
    middle = y + _ROW // 2
    group = row.group
    name = shorten(group.name, font(14), _NAME - 8)
    draw.text((_MARGIN, middle - 16), name, INK, font(14))
    count = f"{len(group.images):,} image{'s' if len(group.images) != 1 else ''}"
    draw.text((_MARGIN, middle + 2), count, PALE_INK, font(12))
    examples = Image.fromarray(strip(group, 5))
    larger = examples.resize((round(examples.width * _THUMB / 28), _THUMB), Image.Resampling.LANCZOS)
    left, above = _MARGIN + _NAME, middle - _THUMB // 2
    sheet.paste(larger, (left, above))
    # So that white images do not vanish on the white page.
    draw.rectangle((left - 1, above - 1, left + larger.width, above + _THUMB), outline=_RULE)
    base = y + _ROW - 6
    draw.line((plot, base, plot + _PLOT, base), _RULE)
    for index, height in enumerate(row.heights):
        if height > 0:
            start, end = (plot + _PLOT * edge / BINS for edge in (index, index + 1))
            draw.rectangle((start, base - max(height * (_ROW - 12), 2), end - 1, base), COLOURS[group.kind])
    numbers = (percent(group.rejected_low), percent(group.rejected_typical), percent(row.sure))
    for number, words in enumerate(numbers):
        draw.text((plot + _PLOT + (number + 1) * _NUMBER, middle - 8), words, INK, font(14), "ra")
