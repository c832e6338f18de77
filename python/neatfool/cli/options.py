"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from neatfool.cli.completion import model_names

# The groups of options in help texts. What a command is about, and --help, is in none.
CLASSIFIER = "Classifier"
SEARCH = "Search"
STEP = "Step"
REGULARISERS = "Regularisers"
TRAINING = "Training"
OUTPUT = "Output"
WATCHING = "Watching"
COMPARING = "Comparing"
WORKERS = "Workers"

Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object on stdout.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="No progress and no table; of the results only the folder, where one is made.",
        rich_help_panel=OUTPUT,
    ),
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Load what the run names as its model even if that can run code, whoever made the run.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder to write.", show_default="a new one below runs/", rich_help_panel=OUTPUT),
]
MnistData = Annotated[Path, typer.Option(metavar="DIR", help="The MNIST files.", show_default=False)]
_model = typer.Option(
    "--model",
    "-m",
    metavar="NAME",
    help="lenet-mnist (built in), a torchvision model such as alexnet, timm:NAME, hf:OWNER/NAME or hf:./FOLDER, clip:NAME, a "
    "function of yours (package.module:factory or ./file.py:factory(scale=2.0)), or a file: .onnx, .xml, .pt2, .ts, "
    ".torchscript.",
    autocompletion=model_names,
    rich_help_panel=CLASSIFIER,
)
Model = Annotated[str, _model]
ModelUnlessSet = Annotated[str | None, _model]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A .safetensors file, a .pth state dict or checkpoint, or none for an untrained network.",
        show_default="the model's own",
        rich_help_panel=CLASSIFIER,
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The classes' names, one a line: what clip: is to tell apart, or other names for a model's classes.",
        show_default="the model's own",
        rich_help_panel=CLASSIFIER,
    ),
]
_backend = typer.Option(
    help="Who runs the network: torch is there always.", show_default="torch", rich_help_panel=CLASSIFIER
)
_precision = typer.Option(help="What the network calculates in.", show_default="float32", rich_help_panel=CLASSIFIER)
BackendUnlessSet = Annotated[Literal["torch", "compile", "openvino"] | None, _backend]
PrecisionUnlessSet = Annotated[Literal["float32", "bfloat16", "float16"] | None, _precision]
CropsUnlessSet = Annotated[
    int | None,
    typer.Option(
        help="1, or 10 for the mean over ten crops of a larger image.", show_default="1", rich_help_panel=CLASSIFIER
    ),
]
_device = "auto, cpu, cuda or cuda:INDEX."
Device = Annotated[str, typer.Option(help=_device, rich_help_panel=CLASSIFIER)]
DeviceUnlessSet = Annotated[str | None, typer.Option(help=_device, show_default="auto", rich_help_panel=CLASSIFIER)]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same result.", rich_help_panel=SEARCH)]
Batch = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Children of each generation.",
        show_default="200, or 400 for over 100 classes",
        rich_help_panel=SEARCH,
    ),
]
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Serve a page that shows the run while it goes on, to this machine alone.",
        rich_help_panel=WATCHING,
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        metavar="N",
        help="Of the page of --live.",
        show_default="one that is free",
        rich_help_panel=WATCHING,
    ),
]
TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Also write files for TensorBoard, into RUN/tensorboard.",
        rich_help_panel=WATCHING,
    ),
]
ClassName = Annotated[str, typer.Option("--class", "-c", metavar="C", help="An index or (part of) a class name.")]


def stored_weights(weights: str | None) -> str | None:
    """The weights as a run remembers them: found again from any working directory."""
    return weights if weights in (None, "none") else str(Path(weights).resolve())


def stored_labels(labels: str | None) -> str | None:
    """The file of class names as a run remembers it, likewise."""
    return labels and str(Path(labels).resolve())


def chosen_model(
    name: str | None, weights: str | None, *, labels: str | None = None, **others: object
) -> dict[str, object]:
    """The options that choose a classifier, those that were given, as a layer for `build_config`."""
    chosen = {"name": name, "weights": stored_weights(weights), "labels": stored_labels(labels), **others}
    return {key: value for key, value in chosen.items() if value is not None}
