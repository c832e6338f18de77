"""The figures of transfer: heat maps of what classifiers make of images, or curves and examples of many images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neatfool.figures.charts import PERCENT_TICKS, WIDTH, Cell, HeatRow, Line, add_line_chart, heat_map, thinned
from neatfool.figures.sheet import Sheet, printable
from neatfool.figures.style import SERIES
from neatfool.shared.pixels import as_picture
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neatfool.experiments.transfer.result import TransferMatrix, TransferResult

MOST_ROWS = 40
"""Up to this many images each has a row of the figure; beyond, curves and examples are shown."""

_EXAMPLES, _GAP = 8, 12
_TILE = (WIDTH + _GAP) / _EXAMPLES - _GAP


def draw_matrix(matrix: TransferMatrix) -> Figure:
    """A heat map of several sets of images: the share with the same most likely class, for every classifier."""
    rows = [
        HeatRow(
            result.name,
            [
                Cell(
                    figures["same_class_rate"],
                    percent(figures["same_class_rate"]),
                    f"mean {percent(figures['mean_confidence'])}",
                    outlined=result.itself[target],
                )
                for target, figures in enumerate(map(result.figures, range(len(result.targets))))
            ],
            detail=f"evolved for {result.source or 'an unknown classifier'}",
        )
        for result in matrix.results
    ]
    note = (
        "Images with the same most likely class, mean confidence. Outlined: the classifier the images were evolved for."
    )
    return heat_map(matrix.results[0].targets, rows, note=note)


def draw_result(result: TransferResult) -> Figure:
    """One set of images: a heat map with a row for each image, or of many images curves and examples."""
    return _draw_images(result) if len(result.classes) <= MOST_ROWS else _draw_curves_and_examples(result)


class _Column(NamedTuple):
    """A classifier's verdicts on all images; its most likely classes are None where unknown."""

    name: str
    confidence: NDArray[np.float32]
    top1: tuple[str, ...] | None
    same: NDArray[np.bool_] | None

    def cell(self, index: int) -> Cell:
        confidence = float(self.confidence[index])
        if self.top1 is None or self.same is None:
            return Cell(confidence, percent(confidence))
        return Cell(confidence, f"sees {self.top1[index]}", percent(confidence), faint=not self.same[index])

    def total(self) -> Cell:
        mean = float(self.confidence.mean(dtype=np.float64))
        if self.same is None:
            return Cell(mean, percent(mean), "mean confidence")
        return Cell(mean, f"{int(self.same.sum())} of {len(self.same)}", f"mean {percent(mean)}")


def _columns(result: TransferResult) -> list[_Column]:
    columns = []
    if result.source_confidence is not None:
        columns.append(_Column(f"source: {result.source or 'unknown'}", result.source_confidence, None, None))
    for target, name in enumerate(result.targets):
        columns.append(_Column(name, result.confidence[target], result.top1_names[target], result.same_class[target]))
    return columns


def _draw_images(result: TransferResult) -> Figure:
    columns = _columns(result)
    rows = [
        HeatRow(
            printable(name) or f"class {result.classes[index]}",
            [column.cell(index) for column in columns],
            picture=as_picture(result.images[index]),
        )
        for index, name in enumerate(result.class_names)
    ]
    rows.append(HeatRow("All images", [column.total() for column in columns], detail="seen as the same class"))
    note = (
        "Shades and percentages: confidence in the class the image was evolved for. Slanted: another class is likelier."
    )
    return heat_map([column.name for column in columns], rows, note=note)


def _draw_curves_and_examples(result: TransferResult) -> Figure:
    blocks = [(target, list(_examples(result, target))) for target in range(len(result.targets))]
    chart, heading, row = 340, 56, _TILE + 86
    sheet = Sheet(WIDTH, chart + sum(heading + row * len(rows) for _, rows in blocks))
    columns = _columns(result)
    known = result.source_confidence is not None
    colours = ["c0", *SERIES] if known else list(SERIES)
    lines = []
    for number, column in enumerate(columns):
        chosen = thinned(len(column.confidence))
        shares = np.linspace(0, 1, len(column.confidence))[chosen]
        ranked = np.sort(column.confidence)[::-1][chosen]
        lines.append(Line(column.name, shares, ranked, colour=colours[number % len(colours)]))
    label = "share of images, each classifier's most confident first; upwards: confidence in the class evolved for"
    add_line_chart(sheet, (0, 0, WIDTH, chart - 20), lines, x_ticks=PERCENT_TICKS, x_label=label)
    top = float(chart)
    for target, rows in blocks:
        rate = percent(result.figures(target)["same_class_rate"])
        title = f"{result.targets[target]}: same class for {rate} of {len(result.classes):,} images"
        sheet.text(0, top + 24, title, size=16, bold=True, room=WIDTH)
        top += heading
        for caption, examples in rows:
            sheet.text(0, top, caption, size=12, colour="muted")
            for place, (index, verdict) in enumerate(examples):
                left = place * (_TILE + _GAP)
                sheet.picture(as_picture(result.images[index]), left, top + 14, _TILE)
                sheet.text(left, top + _TILE + 26, result.class_names[index], size=11, room=_TILE)
                for number, words in enumerate(verdict):
                    sheet.text(left, top + _TILE + 41 + 14 * number, words, size=10, colour="muted", room=_TILE)
            top += row
    return sheet.figure


def _examples(result: TransferResult, target: int) -> Iterator[tuple[str, list[tuple[int, list[str]]]]]:
    """The images that fool source and target most, and those that fool the source alone most, with verdicts."""
    known = result.source_confidence is not None
    source = np.ones(len(result.classes), np.float32) if result.source_confidence is None else result.source_confidence
    same, confidence = result.same_class[target], result.confidence[target]

    def both(index: int) -> list[str]:
        verdict = percent(float(confidence[index]))
        return [f"source {percent(float(source[index]))}", f"target {verdict}"] if known else [verdict]

    def alone(index: int) -> list[str]:
        return [f"sees {result.top1_names[target][index]}"]

    for caption, score, verdict in (
        ("Fool both: most confident of all", np.where(same, np.minimum(source, confidence), -1), both),
        ("Fool the source alone", np.where(same, -1, source), alone),
    ):
        order: Sequence[int] = np.argsort(-score, kind="stable")[:_EXAMPLES].tolist()
        best = [(index, verdict(index)) for index in order if score[index] >= 0]
        if best:
            yield caption, best
