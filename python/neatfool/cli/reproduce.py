"""`neatfool reproduce`."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from neatfool.cli import options
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import print_json, stderr, stdout


class What(StrEnum):
    """What can be reproduced."""

    mnist = "mnist"
    imagenet = "imagenet"


class ScaleName(StrEnum):
    """Choices of --scale."""

    smoke = "smoke"
    small = "small"
    full = "full"


def command(
    what: Annotated[What, typer.Argument(help="mnist or imagenet.", show_default=False)],
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="MNIST files, or a folder of photographs for each class.", show_default=False),
    ],
    scale: Annotated[ScaleName, typer.Option(help="smoke (a minute), small or full (the paper's).")] = ScaleName.small,
    rows: Annotated[
        str | None, typer.Option(metavar="LIST", help='Only these rows, as in "1,2,6".', show_default="all")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", show_default="lenet-mnist, or alexnet")
    ] = None,
    weights: options.Weights = None,
    to: Annotated[
        str | None, typer.Option(metavar="NAME", help="ImageNet: the other network.", show_default="vgg16")
    ] = None,
    to_weights: Annotated[str | None, typer.Option(metavar="FILE", help="Its weights.")] = None,
    crops: Annotated[int, typer.Option(help="ImageNet: 10 as in the paper, or 1, ten times as fast.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of everything.")] = 0,
    device: options.Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to write, or to continue.", show_default="runs/reproduce-<what>"),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Run the paper's experiments and put the results beside the paper's."""
    from neatfool.experiments.reproduction.measure import reproduce
    from neatfool.search import ModelConfig, build_config

    def network(name: str, file: str | None) -> ModelConfig:
        count = crops if what is What.imagenet else 1
        chosen = {"name": name, "weights": options.stored_weights(file), "device": device, "crops": count}
        return build_config({"model": {key: value for key, value in chosen.items() if value is not None}}).model

    try:
        chosen_rows = [int(row) for row in rows.split(",")] if rows else None
    except ValueError as error:
        raise typer.BadParameter(f"--rows is {rows!r}; write numbers, as in 1,2,6.") from error
    folder = out or Path("runs") / f"reproduce-{what.value}"
    with graceful_interrupt() as interrupted:
        done = reproduce(
            what.value,
            data=data,
            out=folder,
            scale=scale.value,
            rows=chosen_rows,
            model=network(model or ("lenet-mnist" if what is What.mnist else "alexnet"), weights),
            other=network(to or "vgg16", to_weights),
            seed=seed,
            say=(lambda line: None) if quiet else lambda line: stderr.print(line, soft_wrap=True),
            stop=interrupted,
        )
        stopped = interrupted()
    if json:
        print_json(
            {"what": what.value, "scale": scale.value, "out": str(folder), "rows": [asdict(row) for row in done]}
        )
    elif not quiet:
        table = Table(show_lines=True)
        for column in ("row", "experiment", "paper", "ours", "seconds"):
            table.add_column(column, justify="right" if column in ("row", "seconds") else "left")
        for row in done:
            table.add_row(str(row.row), row.experiment, row.paper, row.ours, f"{row.seconds:,.0f}")
        stdout.print(table)
        stdout.print(f"table {folder / 'reproduction.md'}", soft_wrap=True)
    return 130 if stopped else 0
