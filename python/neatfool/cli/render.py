"""`neatfool render`."""

from pathlib import Path
from typing import Annotated

import typer

from neatfool.cli import options
from neatfool.cli.output import print_json, stdout

_FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}

EPILOG = """Examples:
  neatfool render runs/mine -c 3 --size 1024 --out three.png
  neatfool render runs/mine -c goldfish --out goldfish.webp
"""


def command(
    run: options.RunPath,
    class_name: options.ClassName,
    out: Annotated[
        Path, typer.Option(metavar="FILE.png", help="Picture to write: .png, .webp or .jpg.", show_default=False)
    ],
    size: Annotated[
        int | None, typer.Option(min=1, max=16384, metavar="PX", help="Its shorter side.", show_default="as evolved")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw one elite of a run at any size. A CPPN is drawn anew, sharp at every size."""
    from neatfool.runs import RunFolder
    from neatfool.search import draw_elite

    if out.suffix.lower() not in _FORMATS:
        raise typer.BadParameter(f"{out} names no format that can be written; end it in {', '.join(_FORMATS)}.")
    class_index, picture = draw_elite(RunFolder.open(run), class_name, size=size)
    try:
        picture.save(out, _FORMATS[out.suffix.lower()])
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written ({error.strerror}); choose another --out.") from error
    if json:
        print_json({"run": str(run), "class": class_index, "size": list(picture.size), "out": str(out)})
    elif not quiet:
        stdout.print(f"class {class_index}, {picture.width} x {picture.height} pixels: {out}", soft_wrap=True)
