"""`neatfool transfer`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from neatfool.cli import options
from neatfool.cli.completion import model_names
from neatfool.cli.interrupt import STOPPING, graceful_interrupt
from neatfool.cli.output import print_folder, print_json, print_places, show_progress, stdout
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool transfer runs/mine --to mlp-mnist --weights mlp.safetensors
  neatfool transfer runs/one runs/two --to alexnet --to vgg16 --json
"""


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Run folders, or folders of images called <class>.png or sorted into one folder per class.",
            show_default=False,
        ),
    ],
    to: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="Classifier to show the images to; repeat it for several.",
            show_default=False,
            autocompletion=model_names,
            rich_help_panel=options.CLASSIFIER,
        ),
    ],
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help='Its weights; for several --to, one each in order, "default" for its own.',
            show_default="each its own",
            rich_help_panel=options.CLASSIFIER,
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Its classes' names, one a line; as --weights.",
            show_default="each its own",
            rich_help_panel=options.CLASSIFIER,
        ),
    ] = None,
    device: options.Device = "auto",
    out: options.Out = None,
    trust: options.Trust = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show a run's images to other classifiers: do they fool those too?"""
    from neatfool.experiments.transfer import transfer
    from neatfool.models import load_classifier
    from neatfool.runs import RunFolder, default_path

    files, names = _one_each("--weights", weights, to), _one_each("--labels", labels, to)
    sources = [RunFolder.open(path, trust=trust) if RunFolder.exists(path) else path for path in runs]
    with show_progress(quiet=quiet) as progress:
        targets = [
            load_classifier(name, weights=file, labels=named, device=device)
            for name, file, named in zip(to, files, names, strict=True)
        ]
        with graceful_interrupt(STOPPING) as interrupted:
            matrix = transfer(sources, targets, progress=progress, stop=interrupted)
    folder = out or default_path(to[0], "transfer")
    matrix.write(folder)
    if json:
        print_json({**matrix.summary(), "out": str(folder)})
    elif quiet:
        print_folder(folder)
    else:
        for result in matrix.results:
            _print(result.summary())
        print_places(folder, {"page": "transfer.html", "figure": "transfer.png", "numbers": "transfer.json"})


def _print(summary: dict[str, Any]) -> None:
    model = f", evolved for {summary['model']}" if summary["model"] else ""
    table = Table(
        title=f"{summary['images']:,} images of {summary['run']}{model}", title_justify="left", title_style="bold"
    )
    table.add_column("classifier", overflow="fold")
    for column in ("same class", "mean confidence", "median", "≥ 99 %", "agreement"):
        table.add_column(column, justify="right")
    if source := summary["source_confidence"]:
        table.add_row("source", "", percent(source["mean"]), percent(source["median"]), "", "", style="dim")
    for target in summary["targets"]:
        agreement = target["agreement"]
        table.add_row(
            target["name"] + (" (itself)" if target["itself"] else ""),
            percent(target["same_class_rate"]),
            percent(target["mean_confidence"]),
            percent(target["median_confidence"]),
            percent(target["over_99_rate"]),
            "" if agreement is None else percent(agreement),
        )
    stdout.print(table)


def _one_each(option: str, given: list[str] | None, to: list[str]) -> list[str | None]:
    """What was given for each classifier, None for its own."""
    values = given or ["default"] * len(to)
    if len(values) != len(to):
        raise typer.BadParameter(
            f"There are {len(to)} --to but {len(values)} {option}; give one for each, in order, or none at all "
            '("default" is a classifier\'s own).'
        )
    return [None if value == "default" else value for value in values]
