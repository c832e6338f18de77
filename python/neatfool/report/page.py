"""The HTML report: one file that needs nothing else to be read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from markupsafe import Markup

from neatfool.data import example_pictures
from neatfool.errors import ConfigError
from neatfool.figures.course import draw_comparison, draw_run
from neatfool.figures.output import inline_svg
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import encoded_picture, encoded_uri
from neatfool.report.album import Sizes, album
from neatfool.report.gallery import write_gallery
from neatfool.report.hierarchy import Group, imagenet_hierarchy, read_hierarchy
from neatfool.report.pictures import Keep, PictureFolder
from neatfool.report.places import settings_without_places, without_places
from neatfool.report.summary import Summary, summarise
from neatfool.runs import Elite, Manifest, RunFolder, Verdict
from neatfool.search import Run, folder_of
from neatfool.shared.pixels import as_picture
from neatfool.shared.text import percent

MOST_WHOLE_IMAGES = 40
MOST_LARGE_THUMBNAILS = 1200
PHOTOGRAPHS = 3
"""Real pictures of a class."""

_GROUPS: tuple[tuple[Verdict | None, str, str], ...] = (
    ("fooled", "Fooled", "The class that the image was evolved for is the classifier's first choice, at 99 % or more."),
    ("top-1", "First choice, below 99 %", "The class is the classifier's first choice, but not yet at 99 %."),
    (None, "Not known", "The run does not tell what the classifier's first choice is."),
    ("not reached", "Taken for something else", "The classifier's first choice is another class."),
)


@dataclass(frozen=True)
class _Tile:
    """One elite on the page.

    Attributes:
        elite: the elite.
        anchor: the fragment of its permalink.
        source: the address of its image.
        verdict: what became of its class.
        seen: what it is judged to be, with the confidence, if that is another class.
        alt: what the image is.
    """

    elite: Elite
    anchor: str
    source: str | None
    verdict: Verdict | None
    seen: tuple[str, str] | None
    alt: str


@dataclass(frozen=True)
class _Group:
    """Tiles of the same verdict, most confident first."""

    verdict: str
    title: str
    note: str
    tiles: list[_Tile]


@dataclass(frozen=True)
class _Row:
    """A class on a page of several runs: its tile in each, and in how many of them it is fooled, "every", "some" or "none"."""

    class_index: int
    name: str
    tiles: list[_Tile | None]

    @property
    def fooled(self) -> str:
        fooled = [tile is not None and tile.verdict == "fooled" for tile in self.tiles]
        return "every" if all(fooled) else "some" if any(fooled) else "none"

    @property
    def mean(self) -> float:
        return sum(tile.elite.confidence for tile in self.tiles if tile) / len(self.tiles)


@dataclass(frozen=True)
class _Section:
    """One run on the page."""

    summary: Summary
    headline: str
    chart: Markup | None
    nines: Markup | None
    groups: list[_Group]
    entries: dict[str, dict[str, Any] | None]
    no_ancestors: str
    coordinates: str
    image_shape: tuple[int, int, int]
    pixelated: bool
    command: str | None
    settings: str
    provenance: dict[str, str]

    @property
    def tiles(self) -> list[_Tile]:
        return [tile for group in self.groups for tile in group.tiles]


Source = Run | RunFolder | Path | str
"""A run with a folder, or the folder."""


def write_report(
    source: Source | Sequence[Source],
    out: Path | str,
    *,
    data: Path | str | None = None,
    hierarchy: Path | str | None = None,
    apart: bool = False,
) -> None:
    """Write an HTML report of one run, or of several with a comparison first.

    The page holds its images, style and script and asks the network for nothing, so that it can be sent as it is.

    Args:
        source: the run, or several.
        out: the HTML file to write.
        data: a data set (see `neatfool.data.Photographs`), whose pictures stand beside the images of their class.
        hierarchy: a file of nested groups of classes: JSON such as ``{"animal": {"dog": [151, 152]}}``, or CSV such as
            ``151,animal,dog``. If None, ImageNet's classes are known.
        apart: keep pictures in a folder beside the page, ``report-files`` for ``report.html``, and load them when they are
            looked at. There they are larger, and may be of more classes than one file bears.

    Raises:
        ConfigError: the hierarchy cannot be used.
        DataError: there are no pictures of the run's classes in `data`.
        ValueError: there is no run.
        RunError: a run has no folder, a file of it is damaged, or the report cannot be written.
    """
    out = Path(out)
    runs = [folder_of(one) for one in ([source] if isinstance(source, Run | RunFolder | Path | str) else source)]
    if not runs:
        raise ValueError("a report needs at least one run")
    tree = _hierarchy([run.manifest for run in runs], hierarchy)
    summaries = [summarise(run) for run in runs]
    images = sum(len(summary.elites) for summary in summaries)
    folder = PictureFolder(out.with_name(f"{out.stem}-files")) if apart else None
    sections = [
        _section(run, summary, images, data, folder, prefix=f"run-{number}-" if len(runs) > 1 else "")
        for number, (run, summary) in enumerate(zip(runs, summaries, strict=True), 1)
    ]
    comparison = draw_comparison([(one.name, one.metrics) for one in summaries]) if len(runs) > 1 else None
    write_html(
        Path(__file__).parent / "page.html.j2",
        out,
        sections=sections,
        rows=_rows(sections),
        setups=_setups(summaries),
        hierarchy=tree,
        folder=folder.name if folder else "",
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


def _hierarchy(manifests: Sequence[Manifest], path: Path | str | None) -> list[dict[str, Any]]:
    """The groups of the classes, ready for JSON; none where none are known."""
    names = manifests[0].class_names
    groups: Sequence[Group] | None
    if any(one.class_names != names for one in manifests):
        if path is not None:
            raise ConfigError(
                "The runs have different classes, so that one hierarchy cannot hold for all; leave it out."
            )
        groups = None
    else:
        groups = imagenet_hierarchy(names) if path is None else read_hierarchy(Path(path), names)
    return [group.summary() for group in groups or ()]


def _setups(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Runs that differ in their seeds alone belong together: what they have in common, their positions and names."""
    kinds = [{"command": one.command, "model": one.model, **one.setup} for one in summaries]
    shared = {key for key in ("command", "model") if len({kind[key] for kind in kinds}) == 1} | {"seed"}
    titles = [" · ".join(text for key, text in kind.items() if key not in shared) for kind in kinds]
    return [
        {"title": title, "runs": [[place, one.name] for place, one in enumerate(summaries) if titles[place] == title]}
        for title in dict.fromkeys(titles)
    ]


def _section(
    run: RunFolder,
    summary: Summary,
    images: int,
    data: Path | str | None,
    folder: PictureFolder | None,
    *,
    prefix: str,
) -> _Section:
    manifest = run.manifest
    wanted = {elite.class_index for elite in summary.elites}
    photographs = {} if data is None else example_pictures(data, manifest.class_names, classes=wanted, most=PHOTOGRAPHS)
    keep: Keep = folder or (lambda _, encoded, kind: encoded_uri(encoded, kind))
    sizes = Sizes.for_images(images, apart=folder is not None)
    entries, no_ancestors = album(run, summary, sizes, photographs, keep, prefix=prefix, images=images)
    if folder:
        for anchor, entry in entries.items():
            folder.keep_entry(anchor, entry)
    side = _thumbnail_side(images)
    tiles = [
        _tile(run, summary, elite, verdict, side, anchor, keep)
        for elite, verdict, anchor in zip(summary.elites, summary.verdicts, entries, strict=True)
    ]
    classes = len(summary.elites) or len(manifest.class_names)
    charts = [draw_run(summary.metrics, classes, nines=nines) for nines in (False, True)]
    chart, nines = (inline_svg(one, "Confidence in the course of the run") if one else None for one in charts)
    return _Section(
        summary=summary,
        headline=(summary.tally.words() or [""])[0],
        chart=chart,
        nines=nines,
        groups=_groups(tiles),
        entries=dict.fromkeys(entries) if folder else dict(entries),
        no_ancestors=no_ancestors,
        coordinates=_coordinates(run.config),
        image_shape=manifest.image_shape,
        pixelated=max(manifest.image_shape[1:]) <= SMALL_SIDE,
        command=_repeat_command(manifest, summary),
        settings=tomli_w.dumps(settings_without_places(run.config)),
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


def _coordinates(config: Mapping[str, Any]) -> str:
    encoding = config.get("encoding")
    return str(encoding.get("coordinates", "unit")) if isinstance(encoding, Mapping) else "unit"


def _groups(tiles: Sequence[_Tile]) -> list[_Group]:
    best = sorted(tiles, key=lambda tile: -tile.elite.confidence)
    groups = [
        _Group(verdict or "unknown", title, note, [tile for tile in best if tile.verdict == verdict])
        for verdict, title, note in _GROUPS
    ]
    return [group for group in groups if group.tiles]


def _rows(sections: Sequence[_Section]) -> list[_Row]:
    """Every class with its tile in each run."""
    by_class = [{tile.elite.class_index: tile for tile in section.tiles} for section in sections]
    names = {tile.elite.class_index: tile.elite.class_name for section in sections for tile in section.tiles}
    return [_Row(index, names[index], [tiles.get(index) for tiles in by_class]) for index in sorted(names)]


def _tile(
    run: RunFolder, summary: Summary, elite: Elite, verdict: Verdict | None, side: int, anchor: str, keep: Keep
) -> _Tile:
    top = summary.judgement.top(elite.class_index) if summary.judgement else []
    first = run.manifest.class_names[top[0][0]] if top else ""
    seen = (first, percent(top[0][1])) if top and top[0][0] != elite.class_index else None
    judged = f", judged to be {first}" if top else ""
    source = None
    if elite.pixels is not None:
        source = keep(f"{anchor}-small", *encoded_picture(as_picture(elite.pixels), side))
    return _Tile(
        elite=elite,
        anchor=anchor,
        source=source,
        verdict=verdict,
        seen=seen,
        alt=f"Evolved for {elite.class_name}{judged}",
    )


def _repeat_command(manifest: Manifest, summary: Summary) -> str | None:
    """A command that works wherever the page's settings were saved as config.toml, or the one that made the run."""
    if summary.command == "evolve":
        return "neatfool evolve --config config.toml"
    command = manifest.command_line
    return None if command is None else without_places(command)
