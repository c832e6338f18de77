"""The contact sheet: every elite of a run on one picture."""

from dataclasses import dataclass
from pathlib import Path

from PIL import ImageDraw

from neatfool.errors import RunError
from neatfool.figures.tiles import MUTED, TEXT, canvas, font, paste_tile, plain_text, shorten, write_png
from neatfool.report.summary import Summary, summarise
from neatfool.runs import Elite, RunFolder
from neatfool.shared.pixels import as_picture
from neatfool.shared.text import percent

EMPTY = (32, 36, 44)
MARKED = (255, 150, 60)
FEW = 10
"""Images of a sheet that stay in the order of their classes, because all are seen at a glance."""

_ORDER = ("fooled", "top-1", None, "not reached")


@dataclass(frozen=True)
class _Layout:
    """Sizes in pixels. A cell is a square tile with lines of text below."""

    columns: int
    tile: int
    gap: int
    text: int
    title: int
    lines: int

    @classmethod
    def of(cls, count: int, lines: int) -> "_Layout":
        if count <= FEW:
            return cls(columns=min(count, 5), tile=224, gap=24, text=17, title=30, lines=lines)
        if count <= 100:
            return cls(columns=10, tile=112, gap=16, text=12, title=30, lines=lines)
        return cls(columns=40, tile=80, gap=12, text=10, title=52, lines=lines)

    @property
    def line(self) -> int:
        return round(self.text * 1.35)

    @property
    def margin(self) -> int:
        return 2 * self.gap

    @property
    def header(self) -> int:
        return self.margin + round(self.title * 2.6)

    @property
    def row(self) -> int:
        return self.tile + self.gap // 3 + self.lines * self.line + self.gap

    def size(self, count: int) -> tuple[int, int]:
        rows = -(-count // self.columns)
        width = 2 * self.margin + self.columns * (self.tile + self.gap) - self.gap
        return width, self.header + rows * self.row - self.gap + self.margin

    def position(self, index: int) -> tuple[int, int]:
        row, column = divmod(index, self.columns)
        return self.margin + column * (self.tile + self.gap), self.header + row * self.row


def write_gallery(run: RunFolder, out: Path) -> None:
    """Write a contact sheet of every elite, labelled with the class it was evolved for and the confidence in that.

    A tile that is taken for another class says for which. More than ten images come in this order: classes that are fooled,
    those that are only on top, those not reached; in each the most confident first.

    Small images are enlarged by whole factors without smoothing, large ones reduced to thumbnails. A sheet that would
    pass about 6 MB is stored with fewer colours.

    Args:
        run: the run.
        out: the PNG to write.

    Raises:
        RunError: the run has no elites yet, or a file is damaged or cannot be written.
    """
    summary = summarise(run)
    if not summary.elites:
        raise RunError(f"{run.path} has no images yet; let it reach its first checkpoint.")
    marks = [_mark(run, summary, row) for row in range(len(summary.elites))]
    layout = _Layout.of(len(summary.elites), lines=3 if any(marks) else 2)
    sheet, draw = canvas(*layout.size(len(summary.elites)))
    _draw_header(draw, layout, summary, sheet.width)
    small = font(layout.text)
    for index, row in enumerate(_order(summary)):
        elite = summary.elites[row]
        left, top = layout.position(index)
        if elite.pixels is not None:
            paste_tile(sheet, as_picture(elite.pixels), (left, top), layout.tile)
        else:
            draw.rectangle((left, top, left + layout.tile - 1, top + layout.tile - 1), EMPTY)
        baseline = top + layout.tile + layout.gap // 3
        draw.text((left, baseline), shorten(_plain_name(elite), small, layout.tile), TEXT, small)
        draw.text((left, baseline + layout.line), percent(elite.confidence), MUTED, small)
        if mark := marks[row]:
            draw.text((left, baseline + 2 * layout.line), shorten(mark, small, layout.tile), MARKED, small)
    write_png(sheet, out)


def _order(summary: Summary) -> list[int]:
    rows = list(range(len(summary.elites)))
    if len(rows) > FEW:
        rows.sort(key=lambda row: (_ORDER.index(summary.verdicts[row]), -summary.elites[row].confidence))
    return rows


def _mark(run: RunFolder, summary: Summary, row: int) -> str:
    """What the image of an elite is taken for, if that is not its own class."""
    if summary.verdicts[row] != "not reached" or summary.judgement is None:
        return ""
    index, confidence = summary.judgement.top(summary.elites[row].class_index)[0]
    return f"sees {plain_text(run.manifest.class_names[index]) or f'class {index}'}, {percent(confidence)}"


def _draw_header(draw: ImageDraw.ImageDraw, layout: _Layout, summary: Summary, width: int) -> None:
    title, small = font(layout.title), font(round(layout.title * 0.55))
    room = width - 2 * layout.margin
    facts = [text for key, text in summary.setup.items() if key != "seed"]
    if summary.evaluations is not None:
        facts.append(f"{summary.evaluations:,} evaluations")
    if summary.median is not None:
        facts.append(f"median confidence {percent(summary.median)}")
    facts += summary.tally.words() or [f"{summary.over_99:,} of {len(summary.elites):,} images at 99 % or more"]
    draw.text((layout.margin, layout.margin * 0.8), shorten(summary.model, title, room), TEXT, title)
    line = shorten("  ·  ".join(facts), small, room)
    draw.text((layout.margin, layout.margin * 0.8 + layout.title * 1.4), line, MUTED, small)


def _plain_name(elite: Elite) -> str:
    return plain_text(elite.class_name) or f"class {elite.class_index}"
