"""`neatfool hypothesis`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from neatfool.cli import options
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import print_folder, print_how_to_resume, print_json, print_places, print_table, show_progress
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool hypothesis --data mnist/
  neatfool hypothesis --data mnist/ --run runs/mine --temperature 100
"""


def command(
    data: options.MnistData,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--run", metavar="RUN", help="A run against another classifier; may be repeated.", show_default="none"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Weights of density-mnist, from neatfool train.",
            show_default="those in the package",
            rich_help_panel=options.CLASSIFIER,
        ),
    ] = None,
    generations: Annotated[
        int, typer.Option(min=0, help="Generations of each of the six attacks.", rich_help_panel=options.SEARCH)
    ] = 100,
    batch: Annotated[
        int, typer.Option(min=1, help="Children of each generation.", rich_help_panel=options.SEARCH)
    ] = 200,
    seed: options.Seed = 0,
    temperature: Annotated[
        float,
        typer.Option(
            help="Divides log p(x, y) as the attacks see it; 100 gives them something to climb.",
            rich_help_panel=options.SEARCH,
        ),
    ] = 1.0,
    device: options.Device = "auto",
    out: options.Out = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Does a generative classifier reject evolved images, and does evolution get around that?"""
    from neatfool.experiments.hypothesis import hypothesis
    from neatfool.runs import default_path

    folder = out or default_path("density-mnist", "hypothesis")
    with graceful_interrupt() as interrupted, show_progress(quiet=quiet) as progress:
        result = hypothesis(
            runs or [],
            data=data,
            out=folder,
            weights=weights,
            generations=generations,
            batch=batch,
            seed=seed,
            temperature=temperature,
            device=device,
            progress=progress,
            stop=interrupted,
        )
    return finish(result, json=json, quiet=quiet)


def finish(result: Any, *, json: bool, quiet: bool) -> int:
    """Draws figure and page, says what came out, and returns the exit code."""
    result.write()
    summary = result.summary()
    if json:
        print_json(summary)
    elif quiet:
        print_folder(result.folder.path)
    else:
        rows = {
            "accuracy on the test set": percent(result.accuracy),
            "bits per dimension": f"{summary['bits_per_dimension']:.3f}",
            "digits rejected": f"{percent(result.digits.rejected_low)} one-sided, "
            f"{percent(result.digits.rejected_typical)} two-sided",
        }
        for group in result.groups[1:]:
            rows[group.name] = f"rejected {percent(group.rejected_low)}, two-sided {percent(group.rejected_typical)}"
        for attack in summary["attacks"]:
            rows[attack["name"]] = (
                f"median confidence {percent(attack['median_confidence_reached'])}, rejected "
                f"{percent(attack['rejected_one_sided'])}, two-sided {percent(attack['rejected_two_sided'])}"
            )
        print_table(rows, title="density-mnist, rejection at 1 % of real digits")
        print_places(result.folder.path, {"figure": "hypothesis.png", "page": "hypothesis.html"})
    if not (result.complete or quiet):
        print_how_to_resume(result.folder.path)
    return 0 if result.complete else 130
