"""`neatfool check`."""

from pathlib import Path
from typing import Annotated

import typer

from neatfool.cli import options
from neatfool.cli.output import print_json, print_table, show_progress
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool check --data mnist/
  neatfool check --model ./mine.py:make --data photographs/val --json
"""


def command(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="MNIST files, or a folder of images for each class.", show_default=False)
    ],
    model: options.Model = "lenet-mnist",
    weights: options.Weights = None,
    labels: options.Labels = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a classifier's accuracy on labelled images: are its preprocessing and weights right?"""
    from neatfool.data import open_dataset
    from neatfool.models import load_classifier
    from neatfool.training import accuracy

    with show_progress(quiet=quiet) as progress:
        classifier = load_classifier(model, weights=weights, labels=labels, device=device)
        result = accuracy(classifier, open_dataset(data, classifier), progress=progress)
    if json:
        print_json({"model": model, "images": result.images, "top1": result.top1, "top5": result.top5})
    elif not quiet:
        rows = {"images": f"{result.images:,}", "top 1": percent(result.top1), "top 5": percent(result.top5)}
        print_table(rows, title=f"{model} on {data}")
