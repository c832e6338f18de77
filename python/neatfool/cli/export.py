"""`neatfool export`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from neatfool.cli import options
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import print_folder, print_json, print_places, print_table, show_progress, stdout
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool export runs/mine --as imagefolder
  neatfool export runs/one runs/two --as npz --label fooling --out fooling/
"""


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Run folders of evolve, ascend or retrain.", show_default=False),
    ],
    form: Annotated[
        Literal["imagefolder", "npz", "hf"],
        typer.Option(
            "--as",
            help="For torchvision's ImageFolder, for numpy, or for datasets of Hugging Face.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = "imagefolder",
    label: Annotated[
        Literal["class", "fooling"],
        typer.Option(help='The class an image was evolved for, or one class "fooling image" for all.'),
    ] = "class",
    validation: Annotated[
        float, typer.Option(help="Share of the images for validation. Relatives and near-copies stay together.")
    ] = 0.2,
    min_confidence: Annotated[float, typer.Option(help="Leave out images of which the model is less confident.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Of the split; the same seed gives the same one.")] = 0,
    out: options.Out = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the fooling images of runs as a data set to train with, with a data card."""
    from neatfool.experiments.export import export
    from neatfool.runs import default_path

    folder = out or default_path("fooling-images", form)
    with graceful_interrupt("Stopping; nothing is kept.") as interrupted, show_progress(quiet=quiet) as progress:
        result = export(
            runs,
            folder,
            form=form,
            label=label,
            validation=validation,
            min_confidence=min_confidence,
            seed=seed,
            progress=progress,
            stop=interrupted,
        )
    summary = result.summary()
    if json:
        print_json(summary)
    elif quiet:
        print_folder(folder)
    else:
        _print(summary)
        print_places(folder, {"data set": "", "described in": "README.md"})


def _print(summary: dict[str, Any]) -> None:
    print_table(
        {
            "train": f"{summary['train']:,} images",
            "validation": f"{summary['validation']:,} images",
            "classes": f"{summary['classes']:,}",
            "groups": f"{summary['groups']:,} of relatives and near-copies, the largest of {summary['largest_group']:,}",
            "confidence": f"{percent(summary['min_confidence'])} at least, mean {percent(summary['mean_confidence'])}",
        },
        title=f"{summary['images']:,} images of {len(summary['runs'])} runs",
    )
    for note in summary["notes"]:
        stdout.print(note, soft_wrap=True)
