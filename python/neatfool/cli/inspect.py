"""`neatfool inspect`."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from neatfool.cli import options
from neatfool.cli.output import print_json, print_table, stdout
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool inspect runs/mine
  neatfool inspect runs/mine --class goldfish --json
  neatfool inspect goldfish.png
"""


def command(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|PICTURE", help="A run folder, or a picture that render or poster wrote.", show_default=False
        ),
    ],
    class_name: Annotated[
        str | None,
        typer.Option("--class", "-c", metavar="C", help="An index or (part of) a class name.", show_default="all"),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show the elites of a run, or the genome, confidence and lineage of one; or what a picture carries."""
    from neatfool.runs import RunFolder
    from neatfool.search import inspect_elite, inspect_run

    if run.is_file():
        _inspect_picture(run, class_name, json=json, quiet=quiet)
        return
    folder = RunFolder.open(run)
    if class_name is None:
        overview = inspect_run(folder)
        if json:
            print_json(overview)
        elif not quiet:
            _print_overview(overview)
        return
    elite = inspect_elite(folder, class_name)
    if json:
        print_json(elite)
    elif not quiet:
        _print_elite(elite)


def _print_overview(overview: dict[str, Any]) -> None:
    table = Table(title=f"{overview['run']}: {overview['model']}, generation {overview['generation']}")
    for column in ("class", "name", "confidence", "judged to be", "generation"):
        table.add_column(column, justify="left" if column in ("name", "judged to be") else "right")
    for elite in overview["elites"]:
        judged = elite["judged"][0]["class_name"] if elite["judged"] else ""
        confidence, generation = percent(elite["confidence"]), str(elite["generation"])
        table.add_row(str(elite["class"]), elite["class_name"], confidence, judged, generation)
    stdout.print(table)


def _inspect_picture(path: Path, class_name: str | None, *, json: bool, quiet: bool) -> None:
    from neatfool.report import PictureFile

    picture = PictureFile.open(path)
    if class_name is None and len(picture.note.elites) > 1:
        found = picture.summary()
        table = Table(title=f"{path}: {found['model']}")
        for column in ("class", "name", "confidence"):
            table.add_column(column, justify="left" if column == "name" else "right")
        for elite in found["elites"]:
            table.add_row(str(elite["class"]), elite["class_name"], percent(elite["confidence"]))
    else:
        found = picture.describe(picture.elite(class_name))
        table = None
    if json:
        print_json(found)
    elif quiet:
        return
    elif table is not None:
        stdout.print(table)
    else:
        print_table(
            {
                "confidence": percent(found["confidence"]),
                "model": found["model"],
                "fingerprint": found["fingerprint"] or "none",
                "found by": found["command"] or "settings that --json prints",
                "drawn by": f"neatfool {found['neatfool']}",
            },
            title=f"class {found['class']}: {found['class_name']}",
        )
        stdout.print("genome", style="dim")
        stdout.print(jsonlib.dumps(found["genome"]), soft_wrap=True)


def _print_elite(elite: dict[str, Any]) -> None:
    lineage = elite["lineage"]
    judged = ", ".join(f"{one['class_name']} {percent(one['confidence'])}" for one in elite["judged"])
    print_table(
        {
            "confidence": percent(elite["confidence"]),
            **({"judged to be": judged} if judged else {}),
            "found in generation": str(elite["generation"]),
            "id": str(elite["id"]),
            "line of descent": f"{len(lineage)} individuals back to generation 0",
            "other classes held": ", ".join(map(str, elite["also_holds"])) or "none",
        },
        title=f"class {elite['class']}: {elite['class_name']}",
    )
    for birth in lineage[:10]:
        origin = "the random start" if birth["class_name"] is None else f"a parent that held {birth['class_name']}"
        stdout.print(f"  generation {birth['generation']:>6}  id {birth['id']:>9}  from {origin}")
    if len(lineage) > 10:
        stdout.print(f"  and {len(lineage) - 10} more (--json lists all)")
    stdout.print("genome", style="dim")
    stdout.print(jsonlib.dumps(elite["genome"]), soft_wrap=True)
