"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]
RunOut = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Run folder to write.", show_default="a new one below runs/")
]
MnistData = Annotated[Path, typer.Option(metavar="DIR", help="The MNIST files.", show_default=False)]
_model = typer.Option(
    "--model",
    "-m",
    metavar="NAME",
    help="lenet-mnist (built in), a torchvision classification model such as alexnet, or package.module:factory.",
)
Model = Annotated[str, _model]
ModelUnlessSet = Annotated[str | None, _model]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A .safetensors file, a .pth state dict, or none for an untrained network.",
        show_default="the model's own",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")]
Batch = Annotated[
    int | None,
    typer.Option(min=1, help="Children of each generation.", show_default="200, or 400 for over 100 classes"),
]
ClassName = Annotated[str, typer.Option("--class", "-c", metavar="C", help="An index or (part of) a class name.")]


def stored_weights(weights: str | None) -> str | None:
    """The weights as a run remembers them: found again from any working directory."""
    return weights if weights in (None, "none") else str(Path(weights).resolve())
