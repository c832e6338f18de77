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


@dataclass(frozen=True)
class _Layout:
    """Sizes in pixels. A cell is a square tile with two lines of text below."""

    columns: int
    tile: int
    gap: int
    text: int
    title: int

    @classmethod
    def of(cls, count: int) -> "_Layout":
        if count <= 10:
            return cls(columns=min(count, 5), tile=224, gap=24, text=17, title=30)
        if count <= 100:
            return cls(columns=10, tile=112, gap=16, text=12, title=30)
        return cls(columns=40, tile=80, gap=12, text=10, title=52)

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
        return self.tile + self.gap // 3 + 2 * self.line + self.gap

    def size(self, count: int) -> tuple[int, int]:
        rows = -(-count // self.columns)
        width = 2 * self.margin + self.columns * (self.tile + self.gap) - self.gap
        return width, self.header + rows * self.row - self.gap + self.margin

    def position(self, index: int) -> tuple[int, int]:
        row, column = divmod(index, self.columns)
        return self.margin + column * (self.tile + self.gap), self.header + row * self.row


def write_gallery(run: RunFolder, out: Path) -> None:
    """Write a contact sheet of every elite, in class order, labelled with class name and confidence.

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
    layout = _Layout.of(len(summary.elites))
    sheet, draw = canvas(*layout.size(len(summary.elites)))
    _draw_header(draw, layout, summary, sheet.width)
    small = font(layout.text)
    for index, elite in enumerate(summary.elites):
        left, top = layout.position(index)
        if elite.pixels is not None:
            paste_tile(sheet, as_picture(elite.pixels), (left, top), layout.tile)
        else:
            draw.rectangle((left, top, left + layout.tile - 1, top + layout.tile - 1), EMPTY)
        baseline = top + layout.tile + layout.gap // 3
        draw.text((left, baseline), shorten(_plain_name(elite), small, layout.tile), TEXT, small)
        draw.text((left, baseline + layout.line), percent(elite.confidence), MUTED, small)
    write_png(sheet, out)


def _draw_header(draw: ImageDraw.ImageDraw, layout: _Layout, summary: Summary, width: int) -> None:
    title, small = font(layout.title), font(round(layout.title * 0.55))
    room = width - 2 * layout.margin
    facts = [text for key, text in summary.setup.items() if key != "seed"]
    if summary.evaluations is not None:
        facts.append(f"{summary.evaluations:,} evaluations")
    if summary.median is not None:
        facts.append(f"median confidence {percent(summary.median)}")
    facts.append(f"{summary.over_99:,} of {len(summary.elites):,} classes at 99 % or more")
    draw.text((layout.margin, layout.margin * 0.8), shorten(summary.model, title, room), TEXT, title)
    line = shorten("  ·  ".join(facts), small, room)
    draw.text((layout.margin, layout.margin * 0.8 + layout.title * 1.4), line, MUTED, small)


def _plain_name(elite: Elite) -> str:
    return plain_text(elite.class_name) or f"class {elite.class_index}"
