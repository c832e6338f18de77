"""The elites of a run on one large page, to be printed and hung up."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image, ImageDraw

from neatfool.encodings import LARGEST_SIDE, Drawing
from neatfool.errors import ConfigError, RunError
from neatfool.figures.style import light
from neatfool.figures.tiles import font, plain_text, shorten
from neatfool.report.picture_file import PictureNote
from neatfool.report.strips import check_format, strip_rows, write_strips
from neatfool.runs import FOOLED, Elites, RunFolder, Tally, read_elites, verdicts
from neatfool.search import Run, folder_of
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from numpy.typing import NDArray

PAPER = {"a1": (594, 841), "a2": (420, 594), "a3": (297, 420), "a4": (210, 297)}
"""Width and height in mm (ISO 216)."""
SMALLEST_SIDE = 300

_SAMPLES = 2
_MOST_COLUMNS = 10
"""Unless more are asked for."""
_ORDER = ("fooled", "top-1", None, "not reached")


@dataclass(frozen=True)
class Poster:
    """What `poster` wrote.

    Attributes:
        path: the file.
        classes: those shown, in their order.
        columns: of the grid.
        size: (width, height) in pixels.
    """

    path: Path
    classes: tuple[int, ...]
    columns: int
    size: tuple[int, int]

    def summary(self) -> dict[str, Any]:
        """What `neatfool poster --json` prints."""
        return {"classes": list(self.classes), "columns": self.columns, "size": list(self.size), "out": str(self.path)}


def poster(
    source: Run | RunFolder | Path | str,
    *,
    out: PathLike[str] | str,
    columns: int | None = None,
    size: str = "a2",
    dpi: int = 150,
) -> Poster:
    """Writes the elites of a run on one page: each drawn at full resolution, with its class and the confidence in it.

    The classes that are fooled come first, the most confident first; what does not fit is left out. The file carries the
    genomes, so that `render_elite` draws each image again from the poster alone.

    Args:
        source: the run, or its folder.
        out: the file to write: .png, .webp or .jpg. JPEG carries no genomes.
        columns: images of a row; by default as few as show all of them, and at most 10.
        size: a1, a2, a3 or a4, upright, or pixels as "3000x2000".
        dpi: pixels of an inch of paper.

    Raises:
        ConfigError: the size, the format or the number of columns cannot be had.
        RunError: the run has no elites, is damaged, or the file cannot be written.
    """
    path = Path(out)
    width, height = _pixels(size, dpi)
    check_format(path, (height, width))
    folder = folder_of(source)
    elites, judgement = read_elites(folder), folder.judgement()
    if not len(elites):
        raise RunError(f"{folder.path} has no images yet; let it reach its first checkpoint.")
    exclusive = folder.manifest.exclusive
    found = verdicts(elites.classes.tolist(), elites.confidence.tolist(), judgement, exclusive=exclusive)
    order = sorted(range(len(elites)), key=lambda row: (_ORDER.index(found[row]), -elites.confidence[row]))
    grid = _Grid.fitting(len(order), (width, height), folder.manifest.image_shape, columns)
    shown = order[: grid.columns * grid.rows]
    note = PictureNote.of_run(folder, elites, shown)
    title = (Tally.of(found, exclusive=exclusive).words() or [_sure(elites)])[0]
    taken = [
        judgement.top(int(elites.classes[row])) if judgement and found[row] == "not reached" else [] for row in shown
    ]
    names = folder.manifest.class_names
    seen = [f"{plain_text(names[top[0][0]]) or top[0][0]} {percent(top[0][1])}" if top else "" for top in taken]
    pieces = [
        *_head(plain_text(folder.manifest.model) or "a classifier", title, grid),
        *_images(elites, shown, seen, grid),
        *_foot(elites, len(shown), note, grid),
    ]
    write_strips(path, (height, width), _painted(pieces, width, height), note=note.to_json() if note else "", dpi=dpi)
    return Poster(path, tuple(elites.classes[shown].tolist()), grid.columns, (width, height))


def _sure(elites: Elites) -> str:
    return f"{(elites.confidence >= FOOLED).sum():,} of {len(elites):,} images at 99 % or more"


def _pixels(size: str, dpi: int) -> tuple[int, int]:
    """Width and height of a page."""
    if not 30 <= dpi <= 1200:
        raise ConfigError(f"A poster has 30 to 1,200 dpi, not {dpi}.")
    if size.lower() in PAPER:
        wide, tall = (round(side / 25.4 * dpi) for side in PAPER[size.lower()])
    elif found := re.fullmatch(r"(\d{1,6})x(\d{1,6})", size.lower()):
        wide, tall = int(found[1]), int(found[2])
    else:
        raise ConfigError(f"There is no size {size[:50]!r}; choose {', '.join(PAPER)}, or pixels as in 3000x2000.")
    if not SMALLEST_SIDE <= min(wide, tall) <= max(wide, tall) <= LARGEST_SIDE:
        raise ConfigError(
            f"A poster has {SMALLEST_SIDE} to {LARGEST_SIDE:,} pixels a side, not {wide:,} x {tall:,}; choose another --size "
            "or --dpi."
        )
    return wide, tall


@dataclass(frozen=True)
class _Grid:
    """Where things stand on the page, in pixels. `unit` is a hundredth of its shorter side."""

    width: int
    height: int
    columns: int
    rows: int
    tile: tuple[int, int]
    gap: int
    name: float
    unit: float

    @classmethod
    def fitting(cls, count: int, page: tuple[int, int], shape: tuple[int, int, int], columns: int | None) -> _Grid:
        """The grid of so many images of this shape: with these columns, or with as few as show all of them."""
        if columns is not None:
            if not 1 <= columns <= min(page) // 30:
                raise ConfigError(f"A page of {page[0]:,} x {page[1]:,} pixels has 1 to {min(page) // 30} columns.")
            return cls._of(count, page, shape, columns)
        grids = (cls._of(count, page, shape, columns) for columns in range(1, _MOST_COLUMNS + 1))
        whole = (grid for grid in grids if grid.rows * grid.columns >= count)
        return next(whole, None) or cls._of(count, page, shape, _MOST_COLUMNS)

    @classmethod
    def _of(cls, count: int, page: tuple[int, int], shape: tuple[int, int, int], columns: int) -> _Grid:
        width, height = page
        unit = min(page) / 100
        room = width - 2 * round(7 * unit)
        gap = max(1, round(room / columns * 0.11))
        wide = (room - (columns - 1) * gap) / columns
        name = min(max(0.085 * wide, 0.9 * unit), 2.2 * unit)
        grid = cls(width, height, columns, 1, (0, 0), gap, name, unit)
        # A single row may be too tall for the page.
        scale = min(wide / shape[2], (grid.bottom - grid.top - grid.row) / shape[1])
        tile = (max(1, int(scale * shape[2])), max(1, int(scale * shape[1])))
        grid = replace(grid, tile=tile)
        fits = (grid.bottom - grid.top + grid.between) // (grid.row + grid.between)
        return replace(grid, rows=max(1, min(fits, -(-count // columns))))

    @property
    def margin(self) -> int:
        return round(7 * self.unit)

    @property
    def top(self) -> int:
        """Above it stands the head."""
        return round(22 * self.unit)

    @property
    def bottom(self) -> int:
        """Below it stands the foot."""
        return self.height - round(10 * self.unit)

    @property
    def row(self) -> int:
        """Height of an image with the lines below it."""
        return self.tile[1] + round(3.7 * self.name)

    @property
    def between(self) -> int:
        return round(0.5 * self.gap + 0.5 * self.name)

    def corner(self, index: int) -> tuple[int, int]:
        """Left and top of an image; the last row stands just above the foot."""
        row, column = divmod(index, self.columns)
        wide = self.tile[0] + self.gap
        left = (self.width - self.columns * wide + self.gap) // 2 + column * wide
        return left, self.bottom - (self.rows - row) * (self.row + self.between) + self.between


class _Piece(Protocol):
    """Something on the page that gives its rows, (rows, width) in gray or (rows, width, 3) in colour."""

    left: int
    top: int
    height: int
    width: int

    def rows(self, first: int, end: int) -> NDArray[np.uint8]: ...


class _Image:
    def __init__(self, drawing: Drawing, left: int, top: int) -> None:
        self.left, self.top, self.width, self.height = left, top, drawing.width, drawing.height
        self.rows = drawing.rows


class _Box:
    def __init__(self, left: int, top: int, width: int, height: int, colour: str) -> None:
        self.left, self.top, self.width, self.height = left, top, width, height
        self._colour = _rgb(colour)

    def rows(self, first: int, end: int) -> NDArray[np.uint8]:
        return np.broadcast_to(self._colour, (end - first, self.width, 3))


class _Text:
    """A line of text, cut to the room there is."""

    def __init__(
        self, text: str, left: int, baseline: float, *, size: float, room: float, colour: str = "text"
    ) -> None:
        self._font = font(size)
        self._text = shorten(text, self._font, room)
        self._colour = colour
        box = self._font.getbbox(self._text, anchor="ls") if self._text else (0, 0, 0, 0)
        self._origin = (-int(box[0]) + 1, -int(box[1]) + 1)
        self.left, self.top = left - 1, round(baseline) - self._origin[1]
        self.width, self.height = int(box[2] - box[0]) + 3, int(box[3] - box[1]) + 3
        self._drawn: NDArray[np.uint8] | None = None

    def rows(self, first: int, end: int) -> NDArray[np.uint8]:
        if self._drawn is None:
            line = Image.new("RGB", (self.width, self.height), light("page"))
            ImageDraw.Draw(line).text(self._origin, self._text, light(self._colour), self._font, anchor="ls")
            self._drawn = np.asarray(line)
        return self._drawn[first:end]


def _head(model: str, title: str, grid: _Grid) -> Iterator[_Piece]:
    unit, room = grid.unit, grid.width - 2 * grid.margin
    yield _Text(model, grid.margin, 8.8 * unit, size=1.9 * unit, room=room, colour="c1")
    largest = 6.6 * unit
    size = largest * min(1, room / font(largest).getlength(title))
    yield _Text(title, grid.margin, 15.4 * unit, size=size, room=room)
    line = "Each image was evolved for the class named below it; the number is how sure the network is of that class."
    yield _Text(line, grid.margin, 19.2 * unit, size=1.6 * unit, room=room, colour="muted")


def _images(elites: Elites, shown: list[int], seen: list[str], grid: _Grid) -> Iterator[_Piece]:
    """The images, and below each its class, the confidence, and what it is taken for if that is something else."""
    hair = max(1, round(grid.unit / 20))
    wide, tall = grid.tile
    for index, (row, other) in enumerate(zip(shown, seen, strict=True)):
        left, top = grid.corner(index)
        yield _Box(left - hair, top - hair, wide + 2 * hair, tall + 2 * hair, "rule")
        chosen = np.array([row])
        image = elites.pixels(chosen)[0] if elites.genomes is None else elites.genomes.take(chosen)
        yield _Image(Drawing(image, (tall, wide), supersample=_SAMPLES), left, top)
        name = plain_text(elites.class_names[row]) or f"class {elites.classes[row]}"
        baseline = top + tall + 1.55 * grid.name
        yield _Text(name, left, baseline, size=grid.name, room=wide)
        sure = percent(float(elites.confidence[row]))
        text, colour = (f"{sure}, seen as {other}", "c2") if other else (sure, "muted")
        yield _Text(text, left, baseline + 1.4 * grid.name, size=0.85 * grid.name, room=wide, colour=colour)


def _foot(elites: Elites, count: int, note: PictureNote | None, grid: _Grid) -> Iterator[_Piece]:
    unit, room = grid.unit, grid.width - 2 * grid.margin
    facts = [f"the surest {count:,} of {len(elites):,} images"] if count < len(elites) else []
    if note is not None and elites.genomes is not None and elites.genomes.scalable:
        facts.append(f"drawn anew at this size; the network saw {note.image_shape[2]} x {note.image_shape[1]} pixels")
    yield _Box(grid.margin, grid.height - round(7.6 * unit), room, max(1, round(unit / 12)), "rule")
    lines = ["  ·  ".join(facts), (note and note.command) or ""]
    for line, below in zip(lines, (5.6, 3.8), strict=True):
        yield _Text(line, grid.margin, grid.height - below * unit, size=1.15 * unit, room=room, colour="muted")


def _painted(pieces: list[_Piece], width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """The page from the top down. What is done is let go of, so that few images are in memory at a time."""
    waiting = deque(sorted(pieces, key=lambda piece: piece.top))
    pieces.clear()
    begun: list[_Piece] = []
    rows, page = strip_rows(3 * width, _SAMPLES), _rgb("page")
    for first in range(0, height, rows):
        end = min(first + rows, height)
        strip = np.full((end - first, width, 3), page, np.uint8)
        while waiting and waiting[0].top < end:
            begun.append(waiting.popleft())
        for piece in begun:
            upper, lower = max(first, piece.top), min(end, piece.top + piece.height)
            right = min(width, piece.left + piece.width)
            if upper < lower and piece.left < right:
                drawn = piece.rows(upper - piece.top, lower - piece.top)
                drawn = drawn[..., np.newaxis] if drawn.ndim == 2 else drawn
                strip[upper - first : lower - first, piece.left : right] = drawn[:, : right - piece.left]
        begun = [piece for piece in begun if piece.top + piece.height > end]
        yield strip


def _rgb(colour: str) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(light(colour)[1:]), np.uint8)
