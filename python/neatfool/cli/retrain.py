"""`neatfool retrain`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from neatfool.cli import options
from neatfool.cli.interrupt import STOPPING, graceful_interrupt
from neatfool.cli.output import (
    print_folder,
    print_how_to_resume,
    print_json,
    print_places,
    show_progress,
    stderr,
    stdout,
)
from neatfool.cli.watching import watched
from neatfool.shared.progress import OnProgress, Progress
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool retrain --data mnist/ --rounds 3
  neatfool retrain --data mnist/ --rounds 15 --preset paper-retrain
  neatfool retrain -m ./mine.py:make --data photographs/ --rounds 1 --freeze-features --distill 1
"""


def command(
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="MNIST files; a folder with train and val; or a folder of images for each class, of which half are "
            "trained on.",
            show_default=False,
        ),
    ],
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Retrainings.", show_default=False)],
    model: options.Model = "lenet-mnist",
    weights: options.Weights = None,
    labels: options.Labels = None,
    preset: Annotated[
        Literal["paper-retrain"] | None,
        typer.Option(
            help="The paper's way: its own search, new weights every round, images of the end of each evolution; other "
            "options override it.",
            show_default=False,
        ),
    ] = None,
    encoding: Annotated[
        Literal["cppn", "direct", "both"] | None,
        typer.Option(help="What fooling images are made of.", show_default="cppn", rich_help_panel=options.SEARCH),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=0.9999,
            help="Largest share of fooling images in the training set.",
            show_default="0.5",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Views of each real image to train on: itself, and random parts of it, half of them mirrored.",
            show_default="1",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    images_per_class: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100_000,
            help="Fooling images to collect for each class and round.",
            show_default="100, or 1 for over 100 classes",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    moments: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Moments of an evolution whose elites are collected; 1 is its end alone.",
            show_default="10",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    fresh: Annotated[
        bool | None,
        typer.Option(
            "--fresh/--continue",
            help="Train from new weights, or on from the network before.",
            show_default="continue",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--replace",
            help="Keep the fooling images of earlier rounds, or replace them.",
            show_default="keep",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    generations: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000,
            help="Generations of every evolution.",
            show_default="200",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    batch: options.Batch = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            help="Passes over the training set.",
            show_default="as many as show 60,000 images, with --fresh 180,000",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            help="Of the first training step.",
            show_default="0.01, with --fresh 0.05, with --freeze-features what suits them",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    freeze_features: Annotated[
        bool | None,
        typer.Option("--freeze-features", help="Train the last layer alone.", rich_help_panel=options.TRAINING),
    ] = None,
    distill: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="W",
            help="Weight of the first network's own answers to the real images in training.",
            show_default="0",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="The same seed gives the same run on the same machine.", rich_help_panel=options.SEARCH
        ),
    ] = 0,
    device: options.Device = "auto",
    backend: Annotated[
        Literal["torch", "compile", "openvino"] | None,
        typer.Option(
            help="Who runs the network in evolutions.", show_default="torch", rich_help_panel=options.CLASSIFIER
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(help="What it calculates in there.", show_default="float32", rich_help_panel=options.CLASSIFIER),
    ] = None,
    out: options.Out = None,
    live: options.Live = False,
    port: options.Port = None,
    tensorboard: options.TensorBoard = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Teach a classifier to tell fooling images, evolve new ones against it, and so on for some rounds."""
    from neatfool.experiments.retraining import PRESETS, RetrainSettings, retrain
    from neatfool.models import load_classifier
    from neatfool.runs import default_path
    from neatfool.shared.settings import check_settings

    given: dict[str, Any] = {
        "encoding": encoding,
        "images_per_class": images_per_class,
        "moments": moments,
        "generations": generations,
        "batch": batch,
        "views": views,
        "share": share,
        "fresh": fresh,
        "keep": keep,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "freeze_features": freeze_features,
        "distill": distill,
        "backend": backend,
        "precision": precision,
    }
    given = {name: value for name, value in given.items() if value is not None}
    settings = check_settings(RetrainSettings, {**(PRESETS[preset] if preset else {}), **given})
    folder = out or default_path(model, "retrain")
    with show_rounds(quiet=quiet) as shown:
        classifier = load_classifier(
            model, weights=options.stored_weights(weights), labels=options.stored_labels(labels), device=device
        )
        with (
            graceful_interrupt(STOPPING) as interrupted,
            watched(shown, folder, model=model, live=live, port=port, tensorboard=tensorboard) as progress,
        ):
            result = retrain(
                classifier,
                data,
                rounds=rounds,
                settings=settings,
                seed=seed,
                out=folder,
                progress=progress,
                stop=interrupted,
            )
    return finish(result, json=json, quiet=quiet)


@contextmanager
def show_rounds(*, quiet: bool) -> Iterator[OnProgress]:
    """`show_progress`, with a line for every completed round that stays."""
    with show_progress(quiet=quiet) as show:

        def tell(now: Progress) -> None:
            done = now.metrics
            if "round" in done and not quiet:
                caught = "" if done["caught"] is None else f"  held-out caught {percent(done['caught'])}"
                stderr.print(
                    f"DNN{done['round'] + 1}  median confidence {percent(done['median_confidence'])}{caught}  "
                    f"test error {percent(done['test_error'])}  {done['seconds']:.0f} s",
                    soft_wrap=True,
                )
            show(now)

        yield tell


def finish(result: Any, *, json: bool, quiet: bool) -> int:
    """Draws the figures of a run, and says how it went and where everything is."""
    path = result.folder.path
    result.write()
    summary = result.summary()
    if json:
        print_json(summary)
    elif quiet:
        print_folder(path)
    else:
        _print_rounds(summary)
        if result.rounds:
            places = {"figure": "rounds.png", "page": "rounds.html", "pictures": "images"}
            print_places(path, places | ({"weights": "weights"} if summary["weights"] else {}))
    if not (result.complete or quiet):
        print_how_to_resume(path)
    return 0 if result.complete else 130


def _print_rounds(summary: dict[str, Any]) -> None:
    title = f"{summary['model']} retrained against {summary['encoding']} images, seed {summary['seed']}"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("", "median confidence", "evaluations to 99 %", "held-out caught", "test error", "false alarms", "s"):
        table.add_column(name, justify="right" if name else "left")
    for one in summary["rounds"]:
        table.add_row(
            f"DNN{one['round'] + 1}",
            percent(one["median_confidence"]),
            f"{one['evaluations_to_99']:,}" if one["evaluations_to_99"] is not None else "not reached",
            "" if one["caught"] is None else percent(one["caught"]),
            percent(one["test_error"]),
            percent(one["false_alarms"]),
            f"{one['seconds']:.0f}",
        )
    stdout.print(table)
