"""`neatfool train`."""

from pathlib import Path
from typing import Annotated

import typer

from neatfool.cli import options
from neatfool.cli.output import print_json, print_table, show_progress
from neatfool.shared.progress import Progress
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool train --data mnist/
  neatfool train --data mnist/ --model mlp-mnist --epochs 5 --out mlp.safetensors
"""


def command(
    data: options.MnistData,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="lenet-mnist, mlp-mnist or density-mnist.",
            rich_help_panel=options.CLASSIFIER,
        ),
    ] = "lenet-mnist",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.safetensors",
            help="Weights to write.",
            show_default="<model>.safetensors",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(
            min=1,
            help="Passes over the training images (density-mnist: iterations of EM).",
            rich_help_panel=options.TRAINING,
        ),
    ] = 10,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Initial weights and order of the images; the same seed gives the same weights.",
            rich_help_panel=options.TRAINING,
        ),
    ] = 0,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a small classifier from scratch on MNIST."""
    from neatfool.classifiers.state_dict import check_weights_path
    from neatfool.data import ImageArray, read_mnist
    from neatfool.training import Epoch, TrainingSettings, save_classifier, train_classifier

    path = out or Path(f"{model}.safetensors")
    check_weights_path(path)
    images, labels = read_mnist(data, "train")
    test = ImageArray(*read_mnist(data, "test"))
    with show_progress(quiet=quiet) as progress:

        def tell(epoch: Epoch) -> None:
            note = (
                f"epoch {epoch.epoch}  loss {epoch.loss:.4f}  accuracy on the test set {percent(epoch.accuracy or 0)}"
            )
            progress(Progress(task=f"training {model}", unit="epochs", done=epoch.epoch, total=epochs, note=note))

        progress(Progress(task=f"training {model}", unit="epochs", done=0, total=epochs))
        classifier, history = train_classifier(
            model,
            images,
            labels,
            settings=TrainingSettings(epochs=epochs, seed=seed),
            test=test,
            device=device,
            progress=tell,
        )
    accuracy = history[-1].accuracy or 0.0
    save_classifier(classifier, path, notes={"epochs": str(epochs), "seed": str(seed), "accuracy": f"{accuracy:.4f}"})
    if json:
        print_json({"model": model, "weights": str(path), "epochs": epochs, "seed": seed, "accuracy": accuracy})
    elif not quiet:
        rows = {"accuracy on the test set": percent(accuracy), "weights": str(path)}
        print_table(rows, title=f"{model}, {epochs} epochs, seed {seed}")
