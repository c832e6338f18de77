"""The page of a reproduction: each of the paper's rows beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neatfool.experiments.reproduction.paper import PAPER, Paper
from neatfool.experiments.reproduction.rows import EXPERIMENTS
from neatfool.experiments.reproduction.settings import ReproductionConfig
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import picture_uri
from neatfool.runs import RunFolder, read_count, read_elites, read_settings
from neatfool.shared.pixels import as_picture, open_picture
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from neatfool.experiments.reproduction.result import Reproduction, Row

_MOST_TILES, _TILE, _PICTURE = 10, 112, 1000
_FAINT = 16.0
"""Standard deviation, of 255, below which pictures are shown with their contrast stretched, as the paper shows such."""


@dataclass(frozen=True)
class _Tile:
    source: str
    class_name: str
    confidence: float


@dataclass(frozen=True)
class _Strip:
    """The elites of a run, in the order of their classes, or the surest of many; `page` is its page, if there is one.

    Where all are faint, their contrast is `stretched`.
    """

    run: str
    page: str | None
    total: int
    pixelated: bool
    stretched: bool
    tiles: list[_Tile]


@dataclass(frozen=True)
class _Section:
    number: int
    experiment: str
    reported: str
    paper: Paper
    ours: Row | None
    verdict: str
    strips: list[_Strip]
    pictures: list[tuple[str, str]]
    """(page, picture)"""
    begun: list[str]
    """How far each of its evolutions has come, while the row is not done."""


def write_page(result: Reproduction, out: Path) -> None:
    """Writes a self-contained HTML page; its links to the pages of the runs are relative.

    Raises:
        RunError: it cannot be written, or a run is damaged.
        DataError: a picture beside a page cannot be read.
    """
    ours = {row.row: row for row in result.rows}
    wanted = read_settings(result.folder, ReproductionConfig).rows
    sections = [
        _section(result.folder.path, number, experiment, reported, ours.get(number), wanted=number in wanted)
        for number, (experiment, reported, _) in EXPERIMENTS[result.what].items()
    ]
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        result=result,
        model=result.folder.manifest.model,
        sections=sections,
        counts={name: sum(one.verdict == name for one in sections) for name in _VERDICTS},
        seconds=sum(row.seconds for row in result.rows),
        evaluations=sum(row.evaluations for row in result.rows),
    )


_VERDICTS = ("agrees", "differs", "undecided", "begun", "not run")


def _verdict(row: Row | None, begun: list[str]) -> str:
    if row is None:
        return "begun" if begun else "not run"
    return "undecided" if row.agrees is None else "agrees" if row.agrees else "differs"


def _section(root: Path, number: int, experiment: str, reported: str, ours: Row | None, *, wanted: bool) -> _Section:
    paper = PAPER[number]
    begun = _begun(root, paper) if wanted and not ours else []
    strips, pictures = _material(root, paper) if ours or begun else ([], [])
    return _Section(number, experiment, reported, paper, ours, _verdict(ours, begun), strips, pictures, begun)


def _begun(root: Path, paper: Paper) -> list[str]:
    found = []
    for folder in _runs(root, paper):
        _, metadata = folder.load_checkpoint(())
        if "generation" in metadata:
            generation = read_count(folder, metadata, "generation")
            median = percent(float(np.median(read_elites(folder).confidence)))
            found.append(f"{folder.path.name} after {generation:,} generations, with a median confidence of {median}")
    return found


def _runs(root: Path, paper: Paper) -> list[RunFolder]:
    """Those that there is something of."""
    folders = [RunFolder.open(root / name) for name in paper.runs if RunFolder.exists(root / name)]
    return [folder for folder in folders if folder.has_checkpoint]


def _material(root: Path, paper: Paper) -> tuple[list[_Strip], list[tuple[str, str]]]:
    strips = [_strip(folder) for folder in _runs(root, paper)]
    pictures = [
        (f"{name}.html", picture_uri(open_picture(root / f"{name}.png"), _PICTURE))
        for name in paper.results
        if (root / f"{name}.png").is_file() and (root / f"{name}.html").is_file()
    ]
    return strips, pictures


def _strip(folder: RunFolder) -> _Strip:
    elites = read_elites(folder)
    chosen = np.arange(len(elites))
    if len(elites) > _MOST_TILES:
        chosen = np.argsort(-elites.confidence, kind="stable")[:_MOST_TILES]
    images = elites.pixels(chosen)
    spread = images.std((2, 3), dtype=np.float64).max(1)
    stretched = bool((spread < _FAINT).all() and spread.any())
    tiles = [
        _Tile(picture_uri(as_picture(pixels), _TILE), elites.class_names[at], float(elites.confidence[at]))
        for at, pixels in zip(chosen.tolist(), _stretch(images) if stretched else images, strict=True)
    ]
    name = folder.path.name
    page = f"{name}/report.html" if (folder.path / "report.html").is_file() else None
    return _Strip(name, page, len(elites), max(folder.manifest.image_shape[1:]) <= SMALL_SIDE, stretched, tiles)


def _stretch(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images less their mean colours, so scaled that three standard deviations reach black and white."""
    apart = images - images.mean((2, 3), keepdims=True)
    scale = 127.5 / np.maximum(3 * apart.std((1, 2, 3), keepdims=True), 1e-6)
    stretched: NDArray[np.uint8] = (127.5 + scale * apart).clip(0, 255).round().astype(np.uint8)
    return stretched
