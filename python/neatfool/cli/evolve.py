"""`neatfool evolve`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from neatfool.cli import options
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import (
    print_folder,
    print_how_to_resume,
    print_json,
    print_places,
    print_table,
    show_progress,
    stderr,
    verdict,
)
from neatfool.cli.watching import watched
from neatfool.cli.workers import Ahead, PerWorkerCpus, PerWorkerGpus, Workers, hired
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool evolve
  neatfool evolve --model squeezenet1_0 --classes 0-99 --live
  neatfool evolve --model ./mine.py:make --generations 1000 --out runs/mine
"""


def command(
    model: options.ModelUnlessSet = None,
    weights: options.Weights = None,
    labels: options.Labels = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What an image is made of: cppn, direct (pixels), or one of yours.",
            show_default="cppn",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How images are found: pattern-elites, map-elites (the paper's), neat, or one of yours.",
            show_default="pattern-elites",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    preset: Annotated[
        Literal["paper-mnist", "paper-mnist-direct", "paper-imagenet", "paper-imagenet-direct"] | None,
        typer.Option(help="The paper's own settings; other options override them."),
    ] = None,
    generations: Annotated[
        int | None,
        typer.Option(
            min=0, help="Generations after the random start.", show_default="200", rich_help_panel=options.SEARCH
        ),
    ] = None,
    batch: options.Batch = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The same seed gives the same run.", show_default="0", rich_help_panel=options.SEARCH),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help='Classes to evolve for, as in "0-4,9,goldfish".',
            show_default="all",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    crops: options.CropsUnlessSet = None,
    device: options.DeviceUnlessSet = None,
    backend: options.BackendUnlessSet = None,
    precision: options.PrecisionUnlessSet = None,
    workers: Workers = None,
    per_worker_gpus: PerWorkerGpus = None,
    per_worker_cpus: PerWorkerCpus = None,
    ahead: Ahead = None,
    out: options.Out = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A TOML file of settings, such as the config.toml of a run.")
    ] = None,
    allow_noise: Annotated[
        bool,
        typer.Option(
            "--allow-noise",
            help="Take a model that answers differently each time; judge new elites twice.",
            rich_help_panel=options.SEARCH,
        ),
    ] = False,
    screen: Annotated[
        Literal["int8", "bfloat16"] | None,
        typer.Option(
            help="Judge everybody in this first, which is faster, and again in float32 who may become an elite. int8: pip "
            "install 'neatfool\\[int8]'.",
            show_default="float32 alone",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Import the module:factory that --config names as its model, whoever wrote it."),
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also say where the time went.", rich_help_panel=options.OUTPUT)
    ] = False,
    live: options.Live = False,
    port: options.Port = None,
    tensorboard: options.TensorBoard = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Evolve, for every class, an image that the classifier is as sure as possible about."""
    from neatfool.runs import default_path
    from neatfool.search import PRESETS, build_config, evolve, read_config

    flags: dict[str, Any] = {
        "model": options.chosen_model(
            model, weights, labels=labels, crops=crops, device=device, backend=backend, precision=precision
        ),
        "encoding": {"name": encoding} if encoding else {},
        "strategy": {"name": strategy} if strategy else {},
    }
    plain = {"generations": generations, "batch": batch, "seed": seed, "classes": classes}
    plain |= {"allow_noise": allow_noise or None, "screen": screen, "ahead": ahead}
    flags |= {key: value for key, value in plain.items() if value is not None}
    settings = build_config(
        PRESETS[preset] if preset else {},
        read_config(config, trust=trust or model is not None) if config else {},
        {key: value for key, value in flags.items() if value != {}},
    )
    folder = out or default_path(settings.model.name, settings.encoding.name)
    with (
        hired(settings.model, workers, gpus=per_worker_gpus, cpus=per_worker_cpus) as judge,
        graceful_interrupt() as interrupted,
        show_progress(quiet=quiet) as shown,
        watched(shown, folder, model=settings.model.name, live=live, port=port, tensorboard=tensorboard) as progress,
    ):
        run = evolve(judge, config=settings, out=folder, progress=progress, stop=interrupted)
    code = finish(run, json=json, quiet=quiet)
    if profile:
        _print_profile(run.profile.seconds)
    return code


def finish(run: Any, *, json: bool, quiet: bool) -> int:
    """Draws the gallery and the report of a run, says how it went, and returns the exit code."""
    from neatfool.report import write_run_pages

    with run.profile.stage("write"):
        write_run_pages(run.folder)
    summary = run.summary()
    if json:
        print_json(summary)
    elif quiet:
        print_folder(run.folder.path)
    else:
        print_table(
            {
                "generations": f"{summary['generations']:,}",
                "evaluations": f"{summary['evaluations']:,} in {summary['seconds']:,.1f} s",
                **_twice(summary),
                "median confidence": percent(summary["median_confidence"]),
                "mean, lowest": f"{percent(summary['mean_confidence'])}, {percent(summary['min_confidence'])}",
                "verdict": verdict(run.tally(), summary["classes_over_99"]),
                "at 99.99 % or more": f"{summary['classes_over_9999']:,} of {summary['classes']:,} classes",
            },
            title=f"{summary['model']} fooled by {summary['encoding']} ({summary['strategy']}, seed {summary['seed']})",
        )
        print_places(run.folder.path)
    if not (run.done or quiet):
        print_how_to_resume(run.folder.path)
    return 0 if run.done else 130


def _twice(summary: dict[str, Any]) -> dict[str, str]:
    """The line on a run that screens."""
    twice = summary["judged_twice"]
    if twice is None:
        return {}
    return {"judged twice": f"{twice:,}, {percent(twice / summary['evaluations'])}"}


def _print_profile(seconds: dict[str, float]) -> None:
    """Says on stderr how long each stage took; the network's own share is what a faster search cannot save."""
    total = sum(seconds.values())
    for stage, spent in seconds.items():
        waiting = " (waiting for pixels)" if stage == "render" else ""
        stderr.print(f"{stage:<9} {spent:9.3f} s {spent / total:6.1%}{waiting}")
