"""`neatfool ascend`."""

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
    verdict,
)
from neatfool.cli.watching import watched
from neatfool.shared.text import percent

EPILOG = """Examples:
  neatfool ascend --all
  neatfool ascend --model alexnet --class goldfish --steps 400
  neatfool ascend --model alexnet --sample 20 --l2-decay 0.01 --blur-radius 0.5
"""


def command(
    model: options.Model = "lenet-mnist",
    weights: options.Weights = None,
    labels: options.Labels = None,
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class",
            "-c",
            metavar="C",
            help="One class, an index or (part of) a name.",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    all_classes: Annotated[bool, typer.Option("--all", help="All classes.", rich_help_panel=options.SEARCH)] = False,
    classes: Annotated[
        str | None,
        typer.Option(metavar="LIST", help='Several classes, as in "0-4,9,goldfish".', rich_help_panel=options.SEARCH),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Only N of these classes, drawn by the seed.", rich_help_panel=options.SEARCH
        ),
    ] = None,
    preset: Annotated[
        Literal["paper", "visible"] | None,
        typer.Option(
            help="Ways to climb: the paper's, or one whose images show something; other options override it.",
            show_default="paper with other options or up to 64 pixels a side, else visible",
        ),
    ] = None,
    objective: Annotated[
        Literal["logit", "probability", "log-probability"] | None,
        typer.Option(
            help="The class unit before the softmax, after it, or the logarithm of that.",
            show_default="log-probability for progress, else logit",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="START",
            help="mean-noise (standard deviation 1 of 255), uniform noise, mean, or an image file.",
            show_default="mean-noise",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=0, help="Most steps of an image.", show_default="200", rich_help_panel=options.SEARCH),
    ] = None,
    all_steps: Annotated[
        bool | None,
        typer.Option(
            "--all-steps/--no-all-steps",
            help="Go on after 99.99 % until all steps are taken.",
            show_default="with regularisers",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    parametrisation: Annotated[
        Literal["pixel", "fourier"] | None,
        typer.Option(
            help="Steps in pixels, or in a scaled spectrum and decorrelated colours.",
            show_default="pixel",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    optimiser: Annotated[
        Literal["progress", "constant", "adam"] | None,
        typer.Option(help="How a gradient becomes a step.", show_default="progress", rich_help_panel=options.STEP),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of constant and adam.", show_default="1 for adam", rich_help_panel=options.STEP
        ),
    ] = None,
    early_progress: Annotated[
        float | None,
        typer.Option(
            help="progress: most that the objective should grow in a step.",
            show_default="20, 10 or 0.03 for log-probability, logit or probability",
            rich_help_panel=options.STEP,
        ),
    ] = None,
    late_progress: Annotated[
        float | None,
        typer.Option(
            help="progress: the same in multiples of 1 - confidence.",
            show_default="20, none or 0.1",
            rich_help_panel=options.STEP,
        ),
    ] = None,
    max_lr: Annotated[
        float | None,
        typer.Option(help="progress: largest learning rate.", show_default="1e9", rich_help_panel=options.STEP),
    ] = None,
    l2_decay: Annotated[
        float | None,
        typer.Option(help="L2 decay towards the mean image.", show_default="0", rich_help_panel=options.REGULARISERS),
    ] = None,
    blur_radius: Annotated[
        float | None,
        typer.Option(
            help="Standard deviation of a Gaussian blur, pixels.",
            show_default="0",
            rich_help_panel=options.REGULARISERS,
        ),
    ] = None,
    blur_every: Annotated[
        int | None,
        typer.Option(help="Blur every so many steps.", show_default="1", rich_help_panel=options.REGULARISERS),
    ] = None,
    small_norm: Annotated[
        float | None,
        typer.Option(
            help="Percentage of pixels of smallest norm to reset.",
            show_default="0",
            rich_help_panel=options.REGULARISERS,
        ),
    ] = None,
    small_contribution: Annotated[
        float | None,
        typer.Option(
            help="Percentage of pixels of smallest contribution to reset.",
            show_default="0",
            rich_help_panel=options.REGULARISERS,
        ),
    ] = None,
    total_variation: Annotated[
        float | None,
        typer.Option(
            help="Step against total variation, of 255.", show_default="0", rich_help_panel=options.REGULARISERS
        ),
    ] = None,
    jitter: Annotated[
        int | None,
        typer.Option(help="Random shift of each look, pixels.", show_default="0", rich_help_panel=options.REGULARISERS),
    ] = None,
    seed: options.Seed = 0,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images that climb at the same time.",
            show_default="what suits the device",
            rich_help_panel=options.SEARCH,
        ),
    ] = None,
    crops: options.CropsUnlessSet = None,
    device: options.Device = "auto",
    backend: options.BackendUnlessSet = None,
    precision: options.PrecisionUnlessSet = None,
    out: options.Out = None,
    live: options.Live = False,
    port: options.Port = None,
    tensorboard: options.TensorBoard = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Make, for some classes or all, an image the classifier is sure about by gradient ascent."""
    from neatfool.errors import ConfigError
    from neatfool.experiments.ascent import PRESETS, AscentSettings, ascend
    from neatfool.models import ModelConfig
    from neatfool.runs import default_path
    from neatfool.shared.settings import check_settings

    if sum((class_name is not None, classes is not None, all_classes)) > 1:
        raise ConfigError("Choose one of --class, --classes and --all.")
    if class_name is None and classes is None and not all_classes and sample is None:
        raise ConfigError("Say for which classes to climb: --class C, --classes LIST, --sample N or --all.")
    given: dict[str, Any] = {
        "objective": objective,
        "start": start,
        "steps": steps,
        "all_steps": all_steps,
        "parametrisation": parametrisation,
        "optimiser": optimiser,
        "lr": lr,
        "early_progress": early_progress,
        "late_progress": late_progress,
        "max_lr": max_lr,
        "l2_decay": l2_decay,
        "blur_radius": blur_radius,
        "blur_every": blur_every,
        "small_norm": small_norm,
        "small_contribution": small_contribution,
        "total_variation": total_variation,
        "jitter": jitter,
        "batch": batch,
    }
    given = {name: value for name, value in given.items() if value is not None}
    chosen_way = preset is not None or bool(given)
    settings = check_settings(AscentSettings, {**PRESETS[preset or "paper"], **given}) if chosen_way else None
    chosen = options.chosen_model(
        model, weights, labels=labels, crops=crops, device=device, backend=backend, precision=precision
    )
    network = check_settings(ModelConfig, chosen)
    folder = out or default_path(model, "ascend")
    with (
        graceful_interrupt() as interrupted,
        show_progress(quiet=quiet) as shown,
        watched(shown, folder, model=model, live=live, port=port, tensorboard=tensorboard) as progress,
    ):
        result = ascend(
            network,
            classes=classes if class_name is None else [class_name],
            sample=sample,
            settings=settings,
            seed=seed,
            out=folder,
            progress=progress,
            stop=interrupted,
        )
    return finish(result, json=json, quiet=quiet)


def finish(result: Any, *, json: bool, quiet: bool) -> int:
    """Draws gallery and report of an ascent, says how it went, and returns the exit code."""
    result.write()
    summary = result.summary()
    if json:
        print_json(summary)
    elif quiet:
        print_folder(result.folder.path)
    else:
        rows = {
            "images": f"{summary['finished']} of {summary['classes']} finished",
            "passes": f"{summary['evaluations']:,} forward and backward in {summary['seconds']:,.1f} s",
            "median confidence": percent(summary["median_confidence"]),
            "mean, lowest": f"{percent(summary['mean_confidence'])}, {percent(summary['min_confidence'])}",
        }
        rows["verdict"] = verdict(result.tally(), summary["classes_over_99"])
        for threshold, count in summary["reached"].items():
            median = summary["median_steps_to"][threshold]
            after = "" if median is None else f", after {median:g} steps (median)"
            rows[f"reached {100 * float(threshold):g} %"] = f"{count} of {summary['classes']} classes{after}"
        title = f"{summary['model']} fooled by gradient ascent ({summary['objective']}, {summary['optimiser']}"
        print_table(rows, title=f"{title}, seed {summary['seed']})")
        print_places(result.folder.path)
    if not (result.done or quiet):
        print_how_to_resume(result.folder.path)
    return 0 if result.done else 130
