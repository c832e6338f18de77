"""`neatfool report`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from neatfool.cli import options
from neatfool.cli.output import print_folder, print_json, print_places

EPILOG = """Examples:
  neatfool report runs/mine
  neatfool report runs/seed-0 runs/seed-1 --data photographs/ --out comparison/
"""


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="One run folder or several.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to write.",
            show_default="the run; a new one below runs/ for several",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    form: Annotated[
        Literal["file", "folder"],
        typer.Option(
            "--as",
            help="One file to pass on, or a small page with a folder beside it, of which a browser loads what is looked at: "
            "larger pictures, and any number of classes.",
        ),
    ] = "file",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Show real images of each class from this data set beside the evolved ones."),
    ] = None,
    hierarchy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Nested groups of classes to show the images in: JSON, {"animal": {"dog": [151]}}, or CSV, 151,animal,dog.',
            show_default="that of ImageNet for its classes",
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a self-contained report.html and a gallery.png of one run, or a report that compares several."""
    from neatfool.report import write_gallery, write_report
    from neatfool.runs import RunFolder, default_path
    from neatfool.shared.files import make_folder

    folders = [RunFolder.open(run) for run in runs]
    target = out or (folders[0].path if len(folders) == 1 else default_path("runs", "report"))
    make_folder(target)
    page = target / "report.html"
    write_report(folders, page, data=data, hierarchy=hierarchy, apart=form == "folder")
    if len(folders) == 1:
        write_gallery(folders[0], target / "gallery.png")
    if json:
        print_json({"runs": [str(run) for run in runs], "report": str(page)})
    elif quiet:
        print_folder(target)
    else:
        print_places(target, {"report": "report.html"})
