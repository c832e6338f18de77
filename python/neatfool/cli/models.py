"""`neatfool models`."""

from rich.table import Table

from neatfool.cli import options
from neatfool.cli.output import print_json, stdout

KINDS = {
    "timm:NAME": "a model of timm, such as timm:resnet50.a1_in1k",
    "hf:OWNER/NAME, hf:./DIR": "an image classifier of transformers, from the Hugging Face hub or a folder",
    "clip:NAME --labels FILE": "a zero-shot classifier of open_clip for the classes in a file, such as clip:ViT-B-32",
    "FILE": "a model file: .onnx, .xml (OpenVINO), .pt2 (torch.export), .ts or .torchscript (TorchScript)",
    "package.module:factory": "a function of yours that returns a neatfool.Classifier, also as ./file.py:factory",
}
"""Names that one can write but not list."""

EPILOG = """Examples:
  neatfool models
  neatfool models --json
"""


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
        for name, what in KINDS.items():
            stdout.print(f"{name:<24} {what}", soft_wrap=True)
