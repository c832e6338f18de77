"""`neatfool repeat`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from neatfool.cli import options
from neatfool.cli.interrupt import STOPPING, graceful_interrupt
from neatfool.cli.output import print_folder, print_json, print_places, print_table, show_progress
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool repeat runs/mine
  neatfool repeat runs/mine --classes 0-9,goldfish --min-copies 4
"""


def command(
    run: options.RunPath,
    classes: Annotated[
        str | None,
        typer.Option(metavar="LIST", help='Classes to look at, as in "0-4,9,goldfish".', show_default="all of the run"),
    ] = None,
    min_copies: Annotated[int, typer.Option(min=2, help="Fewer copies are no repetition.")] = 3,
    out: options.Out = None,
    trust: options.Trust = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Remove repeated motifs from a run's images copy by copy: does every copy make the classifier surer?"""
    from neatfool.experiments.repetition import repeat
    from neatfool.runs import RunFolder, default_path

    folder = RunFolder.open(run, trust=trust)
    with graceful_interrupt(STOPPING) as interrupted, show_progress(quiet=quiet) as progress:
        result = repeat(folder, classes=classes, min_copies=min_copies, progress=progress, stop=interrupted)
    where = out or default_path(folder.manifest.model, "repeat")
    result.write(where)
    summary = {**result.summary(), "out": str(where)}
    if json:
        print_json(summary)
    elif quiet:
        print_folder(where)
    else:
        _print(summary, where)
    return 0 if result.complete else 130


def _print(summary: dict[str, Any], where: Path) -> None:
    def row(part: dict[str, Any], kind: str, amounts: tuple[str, ...]) -> str:
        return ", ".join(f"{amount} {percent(part[kind][amount])}" for amount in amounts)

    rows = {
        "elites that repeat a motif": f"{summary['repeating']} of {summary['elites']} "
        f"({summary['by_genome']} in the genome, {summary['by_image']} in the picture)"
    }
    for name, part in (("", summary), ("at least 50 %: ", summary["sure"])):
        if part["repeating"]:
            rows |= {
                f"{name}elites": str(part["repeating"]),
                f"{name}rising with copies": percent(part["rising"]),
                f"{name}median by copies": row(part, "median_confidence", ("all", "half", "one", "none")),
                f"{name}control": row(part, "control_confidence", ("half", "one", "none")),
            }
    print_table(rows, title=f"{summary['model']}: confidence against copies")
    print_places(where, {"figure": "repetition.png", "page": "repetition.html", "numbers": "repetition.json"})
