"""`neatfool reproduce`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from neatfool.cli import options
from neatfool.cli.completion import model_names
from neatfool.cli.interrupt import STOPPING, graceful_interrupt
from neatfool.cli.output import print_folder, print_how_to_resume, print_json, print_places, show_progress, stdout

EPILOG = """Examples:
  neatfool reproduce mnist --data mnist/ --scale smoke
  neatfool reproduce imagenet --data photographs/ --rows 4,9 --crops 1
"""


def command(
    what: Annotated[Literal["mnist", "imagenet"], typer.Argument(help="mnist or imagenet.", show_default=False)],
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="MNIST files, or a folder of photographs for each class.", show_default=False),
    ],
    scale: Annotated[
        Literal["smoke", "small", "full"], typer.Option(help="smoke (a minute), small or full (the paper's).")
    ] = "small",
    rows: Annotated[
        str | None, typer.Option(metavar="LIST", help='Only these rows, as in "1,2,6".', show_default="all")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            show_default="lenet-mnist, or alexnet",
            autocompletion=model_names,
            rich_help_panel=options.CLASSIFIER,
        ),
    ] = None,
    weights: options.Weights = None,
    labels: options.Labels = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="ImageNet: the other network.",
            show_default="vgg16",
            autocompletion=model_names,
            rich_help_panel=options.CLASSIFIER,
        ),
    ] = None,
    to_weights: Annotated[
        str | None, typer.Option(metavar="FILE", help="Its weights.", rich_help_panel=options.CLASSIFIER)
    ] = None,
    crops: Annotated[
        int,
        typer.Option(help="ImageNet: 10 as in the paper, or 1, ten times as fast.", rich_help_panel=options.CLASSIFIER),
    ] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of everything.")] = 0,
    device: options.Device = "auto",
    backend: options.BackendUnlessSet = None,
    precision: options.PrecisionUnlessSet = None,
    out: options.Out = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Run the paper's experiments and put the results beside the paper's, as a page and a table."""
    from neatfool.experiments.reproduction import reproduce
    from neatfool.models import ModelConfig
    from neatfool.runs import default_path
    from neatfool.shared.settings import check_settings

    def network(name: str, file: str | None, names: str | None = None) -> ModelConfig:
        count = crops if what == "imagenet" else 1
        chosen = options.chosen_model(
            name, file, labels=names, device=device, crops=count, backend=backend, precision=precision
        )
        return check_settings(ModelConfig, chosen)

    try:
        chosen_rows = [int(row) for row in rows.split(",")] if rows else None
    except ValueError as error:
        raise typer.BadParameter(f"--rows is {rows!r}; write numbers, as in 1,2,6.") from error
    folder = out or default_path(what, "reproduce")
    with graceful_interrupt(STOPPING) as interrupted, show_progress(quiet=quiet) as progress:
        result = reproduce(
            what,
            data=data,
            out=folder,
            scale=scale,
            rows=chosen_rows,
            model=network(model or ("lenet-mnist" if what == "mnist" else "alexnet"), weights, labels),
            other=network(to or "vgg16", to_weights),
            seed=seed,
            progress=progress,
            stop=interrupted,
        )
    return finish(result, json=json, quiet=quiet)


def finish(result: Any, *, json: bool, quiet: bool) -> int:
    """Shows the rows that are done, and returns the exit code."""
    if json:
        print_json(result.summary())
    elif quiet:
        print_folder(result.folder.path)
    else:
        table = Table(show_lines=True)
        for column in ("row", "experiment", "paper", "ours", "seconds"):
            table.add_column(column, justify="right" if column in ("row", "seconds") else "left")
        for row in result.rows:
            table.add_row(str(row.row), row.experiment, row.paper, row.ours, f"{row.seconds:,.0f}")
        stdout.print(table)
        print_places(result.folder.path, {"page": "reproduction.html", "table": "reproduction.md"})
    if not (result.done or quiet):
        print_how_to_resume(result.folder.path)
    return 0 if result.done else 130
