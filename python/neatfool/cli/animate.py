"""`neatfool animate`."""

from pathlib import Path
from typing import Annotated

import typer

from neatfool.cli import options
from neatfool.cli.output import print_json, stdout

EPILOG = """Examples:
  neatfool animate runs/mine -c coil --out coil.webp
  neatfool animate runs/mine -c 3 --size 256 --seconds 4 --out three.gif
"""


def command(
    run: options.RunPath,
    class_name: options.ClassName,
    out: Annotated[
        Path, typer.Option(metavar="FILE.webp", help="Film to write: .webp, .gif or .mp4.", show_default=False)
    ],
    size: Annotated[int, typer.Option(min=16, max=2048, metavar="PX", help="Its shorter side.")] = 512,
    seconds: Annotated[
        float, typer.Option(min=1, max=600, metavar="S", help="How long it takes, the elite at the end included.")
    ] = 6,
    fps: Annotated[int, typer.Option(min=1, max=60, metavar="N", help="Frames a second.")] = 20,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write how an elite came about as a film: its ancestors, one growing into the next."""
    from neatfool.report import animate

    film = animate(run, class_name, out=out, size=size, seconds=seconds, fps=fps)
    if json:
        print_json({"run": str(run), **film.summary()})
    elif not quiet:
        width, height = film.size
        stdout.print(
            f"class {film.class_index}, {film.ancestors} individuals, {film.seconds:g} s, {width} x {height} pixels: {out}",
            soft_wrap=True,
        )
