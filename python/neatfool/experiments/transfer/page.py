"""Transfer as a page, a picture and a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.experiments.transfer.result import TransferMatrix, TransferResult
from neatfool.figures.charts import curve
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import (
    COLOURS,
    MUTED,
    RULE,
    TEXT,
    Colour,
    as_picture,
    canvas,
    font,
    heat,
    paste_tile,
    picture_uri,
    plain_text,
    shorten,
    write_png,
)
from neatfool.shared.files import make_folder, write_json
from neatfool.shared.text import percent

MOST_ROWS = 40
"""Up to this many images each has a row of the figure; beyond, curves and examples are shown."""

_WIDTH, _MARGIN = 1400, 48


def write_transfer(matrix: TransferMatrix, out: Path) -> None:
    """Writes `transfer.json`, `transfer.html` and `transfer.png` into a folder, which is made if need be.

    Raises:
        RunError: a file cannot be written.
    """
    make_folder(out)
    write_json(out / "transfer.json", matrix.summary())
    _write_html(matrix, out / "transfer.html")
    write_png(draw_transfer(matrix), out / "transfer.png")


def draw_transfer(matrix: TransferMatrix) -> Image.Image:
    """The figure: a heat map of several sets of images; of one set a table of its images, or curves and examples."""
    blocks = [_header(matrix)]
    first = matrix.results[0]
    if len(matrix.results) > 1:
        blocks.append(_heat_map(matrix))
    elif len(first.classes) <= MOST_ROWS:
        blocks.append(_table(first))
    else:
        blocks += [_curves(first), *(_examples(first, target) for target in range(len(first.targets)))]
    height = sum(block.height for block in blocks) + 2 * _MARGIN
    sheet, _ = canvas(_WIDTH, height)
    top = _MARGIN
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet


def _write_html(matrix: TransferMatrix, out: Path) -> None:
    several = len(matrix.results) > 1
    rows = [
        {
            "name": result.name,
            "model": result.source,
            "cells": [
                {
                    "rate": figures["same_class_rate"],
                    "mean": figures["mean_confidence"],
                    "itself": result.itself[target],
                }
                for target, figures in enumerate(map(result.figures, range(len(result.targets))))
            ],
        }
        for result in matrix.results
    ]
    sections = [_section(result) for result in matrix.results]
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        targets=matrix.results[0].targets,
        matrix=rows if several else None,
        sections=sections,
    )


def _section(result: TransferResult) -> dict[str, Any]:
    source, count = result.source_confidence, len(result.classes)
    section: dict[str, Any] = {
        "summary": result.summary(),
        "source_over_99": None if source is None else float((source >= 0.99).mean()),
        "pixelated": max(result.images.shape[2:]) <= SMALL_SIDE,
        "table": None,
    }
    if count <= MOST_ROWS:
        section["columns"] = [column.name for column in _columns(result)]
        section["table"] = [
            {
                "image": picture_uri(as_picture(result.images[index]), 128),
                "class_name": result.class_names[index],
                "cells": [column.cell(index) for column in _columns(result)],
            }
            for index in range(count)
        ]
        return section
    section["curves"] = [(name, curve(values)) for name, values in _sorted_confidences(result)]
    section["tiles"] = [
        {
            "image": picture_uri(as_picture(result.images[index]), 112),
            "class_name": result.class_names[index],
            "source": None if source is None else float(source[index]),
            "verdicts": [
                {
                    "name": name,
                    "top1": result.top1_names[target][index],
                    "confidence": float(result.top1_confidence[target, index]),
                    "same": bool(result.same_class[target, index]),
                }
                for target, name in enumerate(result.targets)
            ],
        }
        for index in range(count)
    ]
    return section


class _Column(NamedTuple):
    """A classifier's verdicts on all images; its most likely classes are None where unknown."""

    name: str
    confidence: NDArray[np.float32]
    top1: tuple[str, ...] | None
    same: NDArray[np.bool_] | None

    def cell(self, index: int) -> dict[str, Any]:
        return {
            "confidence": float(self.confidence[index]),
            "top1": None if self.top1 is None else self.top1[index],
            "same": self.same is None or bool(self.same[index]),
        }


def _columns(result: TransferResult) -> list[_Column]:
    columns = []
    if result.source_confidence is not None:
        columns.append(_Column(f"source: {result.source or 'unknown'}", result.source_confidence, None, None))
    for target, name in enumerate(result.targets):
        columns.append(_Column(name, result.confidence[target], result.top1_names[target], result.same_class[target]))
    return columns


def _sorted_confidences(result: TransferResult) -> list[tuple[str, NDArray[np.float32]]]:
    return [(column.name, np.sort(column.confidence)[::-1]) for column in _columns(result)]


def _header(matrix: TransferMatrix) -> Image.Image:
    block, draw = canvas(_WIDTH, 110)
    first, room = matrix.results[0], _WIDTH - 2 * _MARGIN
    count = sum(len(result.classes) for result in matrix.results)
    if len(matrix.results) == 1:
        line = f"{count:,} images evolved for {first.source or 'an unknown classifier'}, shown to {_and(first.targets)}"
    else:
        line = f"{count:,} images of {len(matrix.results)} runs, shown to {_and(first.targets)}"
    draw.text((_MARGIN, 0), "Do the images fool other classifiers too?", TEXT, font(36))
    draw.text((_MARGIN, 52), shorten(line, font(19), room), MUTED, font(19))
    return block


def _heat_map(matrix: TransferMatrix) -> Image.Image:
    results = matrix.results
    tall, label = 96, 320
    block, draw = canvas(_WIDTH, 44 + len(results) * (tall + 6) + 34)
    wide = min(260, (_WIDTH - 2 * _MARGIN - label) // len(results[0].targets))
    for target, name in enumerate(results[0].targets):
        centre = _MARGIN + label + (target + 0.5) * wide
        draw.text((centre, 20), shorten(name, font(17), wide - 8), MUTED, font(17), anchor="mm")
    for row, result in enumerate(results):
        top = 44 + row * (tall + 6)
        draw.text(
            (_MARGIN, top + tall / 2 - 12),
            shorten(result.name, font(19), label - 16),
            TEXT,
            font(19),
            "lm",
        )
        text = f"evolved for {result.source or 'unknown'}"
        draw.text((_MARGIN, top + tall / 2 + 14), shorten(text, font(15), label - 16), MUTED, font(15), "lm")
        for target in range(len(result.targets)):
            figures = result.figures(target)
            box = (_MARGIN + label + target * wide, top, _MARGIN + label + (target + 1) * wide - 7, top + tall)
            draw.rounded_rectangle(
                box, 10, heat(figures["same_class_rate"]), MUTED if result.itself[target] else None, 2
            )
            centre = (box[0] + box[2]) / 2
            draw.text((centre, top + 36), percent(figures["same_class_rate"]), TEXT, font(26), "mm")
            draw.text(
                (centre, top + 68), f"mean confidence {percent(figures['mean_confidence'])}", TEXT, font(14), "mm"
            )
    note = "Large: images with the same most likely class. Outlined: the classifier the images were evolved for."
    draw.text((_MARGIN, block.height - 24), note, MUTED, font(15))
    return block


def _table(result: TransferResult) -> Image.Image:
    columns = _columns(result)
    tile, label = 84, 330
    tall = tile + 10
    block, draw = canvas(_WIDTH, 44 + len(result.classes) * tall + 120)
    wide = min(270, (_WIDTH - 2 * _MARGIN - label) // len(columns))
    for number, column in enumerate(columns):
        centre = _MARGIN + label + (number + 0.5) * wide
        draw.text((centre, 22), shorten(column.name, font(17), wide - 8), MUTED, font(17), "mm")
    for index, class_name in enumerate(result.class_names):
        top = 44 + index * tall
        paste_tile(block, as_picture(result.images[index]), (_MARGIN, top), tile)
        name = plain_text(class_name) or str(result.classes[index])
        draw.text(
            (_MARGIN + tile + 24, top + tile / 2), shorten(name, font(24), label - tile - 40), TEXT, font(24), "lm"
        )
        for number, column in enumerate(columns):
            cell = column.cell(index)
            box = (_MARGIN + label + number * wide, top, _MARGIN + label + (number + 1) * wide - 7, top + tile)
            draw.rounded_rectangle(box, 10, heat(cell["confidence"]))
            centre = (box[0] + box[2]) / 2
            if cell["top1"] is None:
                draw.text((centre, top + tile / 2), percent(cell["confidence"]), TEXT, font(20), "mm")
                continue
            text, colour = f"sees {cell['top1']}", TEXT if cell["same"] else MUTED
            draw.text((centre, top + 30), shorten(text, font(21), wide - 20), colour, font(21), "mm")
            draw.text((centre, top + 60), percent(cell["confidence"]), colour, font(16), "mm")
    top = 44 + len(result.classes) * tall + 12
    draw.text((_MARGIN, top + 16), "same class", TEXT, font(19), "lm")
    draw.text((_MARGIN, top + 48), "mean confidence", MUTED, font(17), "lm")
    for number, column in enumerate(columns):
        centre = _MARGIN + label + (number + 0.5) * wide - 3
        if column.same is not None:
            draw.text((centre, top + 16), f"{int(column.same.sum())} of {len(column.same)}", TEXT, font(21), "mm")
        draw.text((centre, top + 48), percent(float(column.confidence.mean(dtype=np.float64))), MUTED, font(17), "mm")
    note = "Shades and percentages: confidence in the class the image was evolved for."
    draw.text((_MARGIN, block.height - 26), note, MUTED, font(15))
    return block


def _curves(result: TransferResult) -> Image.Image:
    """Sorted confidences, drawn four times as large and reduced, for smooth lines."""
    series = _sorted_confidences(result)
    block, draw = canvas(_WIDTH, 440)
    left, top, wide, tall = _MARGIN + 60, 56, _WIDTH - 2 * _MARGIN - 60, 300
    scale = 4
    plot, pen = canvas((wide + 8) * scale, (tall + 8) * scale)
    for part in range(5):
        y = (4 + part / 4 * tall) * scale
        pen.line((4 * scale, y, (4 + wide) * scale, y), RULE, scale)
        draw.text((left - 14, top + part / 4 * tall), f"{100 - 25 * part} %", MUTED, font(15), "rm")
        draw.text((left + part / 4 * wide, top + tall + 20), f"{25 * part} %", MUTED, font(15), "mm")
    for number, (_, values) in enumerate(series):
        step = max(len(values) - 1, 1)
        points = [
            ((4 + index / step * wide) * scale, (4 + (1 - value) * tall) * scale)
            for index, value in enumerate(values.tolist())
        ]
        pen.line(points, _series_colour(number), 3 * scale, "curve")
    block.paste(plot.reduce(scale), (left - 4, top - 4))
    text = "share of images, each classifier's most confident first; upwards: confidence in the class evolved for"
    draw.text((left + wide, top + tall + 48), text, MUTED, font(15), "rm")
    x = float(left)
    for number, (name, _) in enumerate(series):
        draw.rounded_rectangle((x, 20, x + 26, 26), 3, _series_colour(number))
        draw.text((x + 36, 23), plain_text(name), TEXT, font(18), "lm")
        x += 36 + font(18).getlength(plain_text(name)) + 40
    return block


def _examples(result: TransferResult, target: int) -> Image.Image:
    """The images that fool source and target most, and those that fool the source alone most."""
    figures = result.figures(target)
    columns, gap = 8, 16
    tile = (_WIDTH - 2 * _MARGIN + gap) // columns - gap
    known = result.source_confidence is not None
    source = np.ones(len(result.classes), np.float32) if result.source_confidence is None else result.source_confidence
    same = result.same_class[target]
    both = np.where(same, np.minimum(source, result.confidence[target]), -1)
    alone = np.where(same, -1, source)
    rows = [
        ("Fool both: most confident of all", both, result.confidence[target], None),
        ("Fool the source alone", alone, result.top1_confidence[target], result.top1_names[target]),
    ]
    rows = [row for row in rows if (row[1] >= 0).any()]
    block, draw = canvas(_WIDTH, 90 + len(rows) * (tile + 122))
    rate = percent(figures["same_class_rate"])
    title = f"{result.targets[target]}: same class for {rate} of {len(result.classes):,} images"
    draw.text((_MARGIN, 34), shorten(title, font(25), _WIDTH - 2 * _MARGIN), TEXT, font(25))
    for row, (caption, score, confidence, seen) in enumerate(rows):
        top = 90 + row * (tile + 122)
        draw.text((_MARGIN, top), caption, MUTED, font(18))
        best = [index for index in np.argsort(-score, kind="stable")[:columns].tolist() if score[index] >= 0]
        for column, index in enumerate(best):
            left = _MARGIN + column * (tile + gap)
            paste_tile(block, as_picture(result.images[index]), (left, top + 32), tile)
            name = shorten(result.class_names[index], font(16), tile)
            draw.text((left, top + tile + 38), name, TEXT, font(16))
            verdict = percent(float(confidence[index])) if seen is None else f"sees {seen[index]}"
            pair = f"{percent(float(source[index]))}, {verdict}" if seen is None and known else verdict
            draw.text((left, top + tile + 60), shorten(pair, font(14), tile), MUTED, font(14))
    return block


def _series_colour(number: int) -> Colour:
    return (170, 178, 192) if number == 0 else COLOURS[(number - 1) % len(COLOURS)]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
