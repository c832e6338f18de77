"""`neatfool render`."""

from pathlib import Path
from typing import Annotated

import typer

from neatfool.cli import options
from neatfool.cli.output import print_json, stdout

EPILOG = """Examples:
  neatfool render runs/mine -c coil --size 4096 --supersample 2 --out coil.png
  neatfool render coil.png --size 8192 --out large.png
"""


def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|PICTURE", help="A run folder, or a picture that render or poster wrote.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE.png", help="Picture to write: .png, .webp or .jpg.", show_default=False)
    ],
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class",
            "-c",
            metavar="C",
            help="An index or (part of) a class name.",
            show_default="the only one of a picture",
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, max=16384, metavar="PX", help="Its shorter side.", show_default="as evolved")
    ] = None,
    supersample: Annotated[
        int, typer.Option(min=1, max=4, metavar="N", help="Samples a side of each pixel, for smooth edges.")
    ] = 1,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw one elite of a run at any size. A CPPN is drawn anew, sharp at every size; the picture carries its genome."""
    from neatfool.report import render_elite

    picture = render_elite(source, class_name, out=out, size=size, supersample=supersample)
    if json:
        print_json({"picture" if source.is_file() else "run": str(source), **picture.summary()})
    elif not quiet:
        width, height = picture.size
        stdout.print(f"class {picture.class_index}, {width} x {height} pixels: {out}", soft_wrap=True)
