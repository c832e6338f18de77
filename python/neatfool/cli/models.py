"""`neatfool models`."""

from rich.table import Table

from neatfool.cli import options
from neatfool.cli.output import print_json, stdout


def command(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the classifiers that can be fooled by name."""
    from neatfool.models import list_models

    models = list_models()
    if json:
        print_json({"models": [model._asdict() for model in models]})
    elif not quiet:
        table = Table()
        for column in ("model", "kind", "input", "classes", "weights"):
            table.add_column(column)
        for model in models:
            size = " x ".join(str(side) for side in model.input_size)
            weights = "here" if model.available else "to download" if model.kind == "torchvision" else "to train"
            table.add_row(model.name, model.kind, size, str(model.n_classes), weights)
        stdout.print(table)
        stdout.print(
            "Your own: --model package.module:factory or ./file.py:factory, where factory() returns a neatfool.Classifier; or "
            "a file: .onnx, .xml (OpenVINO), .pt2 (torch.export), .ts or .torchscript (TorchScript)."
        )
