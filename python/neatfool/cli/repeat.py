"""`neatfool repeat`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from neatfool.cli import options
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import percent, print_json, print_table, stderr, stdout

_PLAIN_SECONDS = 5.0


def command(
    run: options.RunPath,
    classes: Annotated[
        str | None,
        typer.Option(metavar="LIST", help='Classes to look at, as in "0-4,9,goldfish".', show_default="all of the run"),
    ] = None,
    min_copies: Annotated[int, typer.Option(min=2, help="Fewer copies are no repetition.")] = 3,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to write.", show_default="repetition in the run folder")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Remove repeated motifs from a run's images copy by copy: does every copy make the classifier surer?"""
    from neatfool.experiments import repeat, write_repetition
    from neatfool.runs import RunFolder

    folder = RunFolder.open(run)
    with graceful_interrupt() as interrupted, _progress(quiet=quiet) as progress:
        result = repeat(folder, classes=classes, min_copies=min_copies, on_class=progress, stop=interrupted)
    where = out or folder.path / "repetition"
    write_repetition(result, where)
    summary = {**result.summary(), "out": str(where)}
    if json:
        print_json(summary)
    elif not quiet:
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
    for what, file in (("figure", "repetition.png"), ("page", "repetition.html"), ("numbers", "repetition.json")):
        stdout.print(f"{what:<12} {where / file}", soft_wrap=True)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Shows how many classes are done: in place on a terminal, else a line every few seconds."""
    if quiet:
        yield None
    elif stderr.is_terminal:
        with stderr.status("Looking for repeated motifs") as status:
            yield lambda done, total: status.update(f"{done} of {total} classes")
    else:
        last = time.monotonic()

        def say(done: int, total: int) -> None:
            nonlocal last
            if done == total or time.monotonic() - last >= _PLAIN_SECONDS:
                last = time.monotonic()
                stderr.print(f"{done} of {total} classes")

        yield say
