"""The HTML report: one file that needs nothing else to be read."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from markupsafe import Markup

from neatfool.figures.course import draw_comparison, draw_run
from neatfool.figures.output import inline_svg
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import picture_uri
from neatfool.report.gallery import write_gallery
from neatfool.report.summary import Summary, summarise
from neatfool.runs import Elite, RunFolder
from neatfool.search import Run, folder_of
from neatfool.shared.pixels import as_picture

MOST_WHOLE_IMAGES = 40
MOST_LARGE_THUMBNAILS = 1200


@dataclass(frozen=True)
class _Tile:
    """One elite on the page: its image as a data URI, and the path of the whole PNG where that lies beside the page."""

    elite: Elite
    source: str | None
    link: str | None


@dataclass(frozen=True)
class _Section:
    """One run on the page."""

    summary: Summary
    chart: Markup | None
    tiles: list[_Tile]
    image_shape: tuple[int, int, int]
    pixelated: bool
    command: str | None
    settings: str
    provenance: dict[str, str]


Source = Run | RunFolder | Path | str
"""A run with a folder, or the folder."""


def write_report(source: Source | Sequence[Source], out: Path | str) -> None:
    """Write an HTML report of one run, or of several with a comparison first.

    The page holds its images, style and script and asks the network for nothing. A report of one run written into its
    own folder links every image to the whole PNG.

    Args:
        source: the run, or several.
        out: the HTML file to write.

    Raises:
        ValueError: there is no run.
        RunError: a run has no folder, a file of it is damaged, or the report cannot be written.
    """
    runs = [folder_of(one) for one in ([source] if isinstance(source, Run | RunFolder | Path | str) else source)]
    if not runs:
        raise ValueError("a report needs at least one run")
    out = Path(out)
    summaries = [summarise(run) for run in runs]
    images = sum(len(summary.elites) for summary in summaries)
    sections = [
        _section(run, summary, _thumbnail_side(images), out) for run, summary in zip(runs, summaries, strict=True)
    ]
    comparison = draw_comparison([(one.name, one.metrics) for one in summaries]) if len(runs) > 1 else None
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        sections=sections,
        comparison=inline_svg(comparison, "Median confidence in the course of the runs") if comparison else None,
    )


def write_run_pages(run: RunFolder) -> None:
    """Write the gallery and the report of a run into its folder.

    Raises:
        RunError: a file of the run is damaged, or a page cannot be written.
    """
    write_gallery(run, run.path / "gallery.png")
    write_report([run], run.path / "report.html")


def _thumbnail_side(images: int) -> int:
    """The longest side of an image on the page, so that the file stays small enough to send."""
    if images <= MOST_WHOLE_IMAGES:
        return 320
    return 112 if images <= MOST_LARGE_THUMBNAILS else 80


def _section(run: RunFolder, summary: Summary, side: int, out: Path) -> _Section:
    manifest = run.manifest
    beside = out.parent.resolve() == run.path.resolve()
    classes = len(summary.elites) or len(manifest.class_names)
    chart = draw_run(summary.metrics, classes)
    return _Section(
        summary=summary,
        chart=inline_svg(chart, "Confidence in the course of the run") if chart else None,
        tiles=[_tile(run, elite, side, beside) for elite in summary.elites],
        image_shape=manifest.image_shape,
        pixelated=max(manifest.image_shape[1:]) <= SMALL_SIDE,
        command=manifest.command_line or _repeat_command(run, summary),
        settings=tomli_w.dumps(run.config),
        provenance={
            "Created": manifest.created,
            "Command": manifest.command,
            "Platform": manifest.platform,
            **manifest.versions,
            "Weights": manifest.weights_hash or "",
            "Preprocessing": json.dumps(manifest.preprocessing) if manifest.preprocessing else "",
            "Schema": str(manifest.schema_version),
        },
    )


def _repeat_command(run: RunFolder, summary: Summary) -> str | None:
    if summary.command != "evolve":
        return None
    return f"neatfool evolve --config {shlex.quote(f'{summary.name}/config.toml')}"


def _tile(run: RunFolder, elite: Elite, side: int, beside: bool) -> _Tile:
    if elite.pixels is None:
        return _Tile(elite, None, None)
    path = run.image_path(elite.class_index)
    link = path.relative_to(run.path).as_posix() if beside and path.exists() else None
    return _Tile(elite, picture_uri(as_picture(elite.pixels), side), link)
