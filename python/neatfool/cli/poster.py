"""`neatfool poster`."""

from pathlib import Path
from typing import Annotated

import typer

from neatfool.cli import options
from neatfool.cli.output import print_json, stdout

EPILOG = """Examples:
  neatfool poster runs/mine --out poster.png
  neatfool poster runs/mine --cols 5 --size a3 --dpi 300 --out a3.png
"""


def command(
    run: options.RunPath,
    out: Annotated[
        Path, typer.Option(metavar="FILE.png", help="Picture to write: .png, .webp or .jpg.", show_default=False)
    ],
    cols: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Images of a row.", show_default="as few as show all, at most 10"),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="SIZE", help="a1, a2, a3 or a4, upright, or pixels as in 3000x2000.")
    ] = "a2",
    dpi: Annotated[int, typer.Option(min=30, max=1200, metavar="N", help="Pixels of an inch of paper.")] = 150,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the elites of a run on one large page, to be printed: the surest first, drawn at full resolution."""
    from neatfool.report import poster

    page = poster(run, out=out, columns=cols, size=size, dpi=dpi)
    if json:
        print_json({"run": str(run), **page.summary()})
    elif not quiet:
        width, height = page.size
        stdout.print(f"{len(page.classes):,} images, {width} x {height} pixels: {out}", soft_wrap=True)
