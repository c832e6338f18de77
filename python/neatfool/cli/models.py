"""`neatfool models`."""

from dataclasses import asdict

from rich.table import Table

from neatfool.cli import options
from neatfool.cli.output import print_json, stdout


def command(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the classifiers that can be fooled by name."""
    from neatfool.classifiers import list_models

    models = list_models()
    if json:
        print_json({"models": [asdict(model) for model in models]})
    elif not quiet:
        table = Table()
        for column in ("model", "kind", "input", "classes", "weights"):
            table.add_column(column)
        for model in models:
            table.add_row(model.name, model.kind, str(model.input_size), str(model.classes), model.weights)
        stdout.print(table)
        stdout.print("Your own: --model package.module:factory, where factory() returns a neatfool.Classifier.")
