"""`neatfool diversity`."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from neatfool.cli import options
from neatfool.cli.interrupt import STOPPING, graceful_interrupt
from neatfool.cli.output import print_folder, print_json, print_places, show_progress, stdout

EPILOG = """Examples:
  neatfool diversity runs/seed-0 runs/seed-1 runs/seed-2
  neatfool diversity runs/a runs/b --hierarchy wordnet.is_a.txt --data photographs/
"""


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Runs of different seeds against one classifier.", show_default=False),
    ],
    hierarchy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A parent and its child on every line, as in ImageNet's wordnet.is_a.txt."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder with one folder for each class, named as in --hierarchy, in the order of the classes.",
            show_default="--hierarchy has the class names",
        ),
    ] = None,
    map: Annotated[
        bool | None,
        typer.Option(
            help="Draw the map of all elites (pip install 'neatfool\\[map]').",
            show_default="where scikit-learn is installed",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the permutation tests and the map.")] = 0,
    device: options.Device = "auto",
    out: options.Out = None,
    trust: options.Trust = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare runs of different seeds: other images for one class? Similar images for related classes?"""
    from neatfool.experiments.diversity import (
        class_identifiers,
        diversity,
        hierarchy_similarity,
        load_common_classifier,
        require_map,
    )
    from neatfool.runs import RunFolder, default_path

    if map:
        require_map()
    elite_map = find_spec("sklearn") is not None if map is None else map
    folders = [RunFolder.open(run, trust=trust) for run in runs]
    if data and not hierarchy:
        raise typer.BadParameter("--data only names the classes in --hierarchy; give both or leave it out.")
    with show_progress(quiet=quiet) as progress, graceful_interrupt(STOPPING) as interrupted:
        classifier = load_common_classifier(folders, device=device)
        related = None
        if hierarchy:
            identifiers = class_identifiers(data, classifier) if data else classifier.class_names
            related = hierarchy_similarity(hierarchy, identifiers)
        result = diversity(folders, judge=classifier, hierarchy=related, seed=seed, progress=progress, stop=interrupted)
    folder = out or default_path(classifier.name, "diversity")
    result.write(folder, elite_map=elite_map, seed=seed)
    summary = result.summary()
    if json:
        print_json({**summary, "out": str(folder)})
    elif quiet:
        print_folder(folder)
    else:
        _print(summary)
        print_places(folder, {"page": "diversity.html", "figure": "diversity.png", "numbers": "diversity.json"})


def _print(summary: dict[str, Any]) -> None:
    title = f"{len(summary['runs'])} runs against {summary['model']}, {summary['classes']:,} classes"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("mean distance by")
    groups = ("same class, different runs", "different classes, different runs", "different classes, same run")
    for column in (*groups, "same class is closer", "p"):
        table.add_column(column, justify="right")
    for measure, figures in summary["distances"].items():
        means = [figures.get(group, {}).get("mean") for group in groups]
        table.add_row(
            measure,
            *(_number(mean) for mean in means),
            _number(figures.get("same_class_closer")),
            _number(figures.get("p")),
        )
    stdout.print(table)
    table = Table(title="Are related classes' images more alike?", title_justify="left", title_style="bold")
    for column in ("related by", "alike by", "elites of"):
        table.add_column(column)
    for column in ("rank correlation", "p"):
        table.add_column(column, justify="right")
    for row in summary["related_classes"]:
        table.add_row(row["relatedness"], row["similarity"], row["within"], _number(row["rho"]), _number(row["p"]))
    stdout.print(table)
    for row in summary["ancestry"]:
        descended = f"{row['from_another_class']} of {summary['classes']} elites descend from an elite of another class"
        stdout.print(f"{row['run']}: {descended}", soft_wrap=True)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
