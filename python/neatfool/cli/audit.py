"""`neatfool audit`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from neatfool.cli import options
from neatfool.cli.interrupt import STOPPING, graceful_interrupt
from neatfool.cli.output import (
    print_error,
    print_folder,
    print_how_to_resume,
    print_json,
    print_places,
    print_table,
    show_progress,
    stdout,
)
from neatfool.shared.text import percent

_PAGES = {"page": "audit.html", "numbers": "audit.json", "badge": "badge.svg", "pictures": "images"}
_EXIT_FAILED = 1

EPILOG = """Examples:
  neatfool audit --model ./mine.py:make --data photographs/
  neatfool audit -m resnet50 --fail-over 40 --junit audit.xml
  neatfool audit --compare runs/audit-one runs/audit-two
"""


def command(
    audits: Annotated[
        list[Path] | None,
        typer.Argument(metavar="AUDIT", help="Folders of audits, for --compare.", show_default=False),
    ] = None,
    model: options.Model = "lenet-mnist",
    weights: options.Weights = None,
    labels: options.Labels = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="MNIST files, or a folder of images for each class: is it fed right, and what would catch the images?",
            show_default="no real images",
        ),
    ] = None,
    budget: Annotated[
        int,
        typer.Option(
            min=10, help="Passes through the network of each attack, for each class.", rich_help_panel=options.SEARCH
        ),
    ] = 500,
    seeds: Annotated[
        int, typer.Option(min=1, help="How often each attack is done.", rich_help_panel=options.SEARCH)
    ] = 3,
    device: options.Device = "auto",
    backend: options.BackendUnlessSet = None,
    precision: options.PrecisionUnlessSet = None,
    fail_over: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            metavar="SCORE",
            help="Exit with status 1 if the fooling score is higher.",
            show_default="never",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the result as JUnit XML too.",
            show_default="none",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    out: options.Out = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Make a leaderboard of the audits given.", rich_help_panel=options.COMPARING),
    ] = False,
    before: Annotated[
        Path | None,
        typer.Option(
            metavar="AUDIT",
            help="Audit before retraining, for --after.",
            show_default="none",
            rich_help_panel=options.COMPARING,
        ),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(
            metavar="AUDIT",
            help="Audit after it: what was gained and lost.",
            show_default="none",
            rich_help_panel=options.COMPARING,
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Measure how easily a classifier is fooled, whether it is fed right, and what would catch the images."""
    if (before is None) != (after is None):
        raise typer.BadParameter("--before and --after go together; give both.")
    if before is not None and after is not None:
        if compare or audits:
            raise typer.BadParameter(
                "--before and --after compare two audits alone; leave out --compare and the others."
            )
        return _before_and_after(before, after, out=out, json=json, quiet=quiet)
    if compare:
        return _compare(audits or [], out=out, json=json, quiet=quiet)
    if audits:
        raise typer.BadParameter(f"{audits[0]} is given for --compare; to audit a classifier pass --model NAME.")
    from neatfool.experiments.audit import audit
    from neatfool.models import ModelConfig
    from neatfool.runs import default_path
    from neatfool.shared.settings import check_settings

    chosen = options.chosen_model(model, weights, labels=labels, device=device, backend=backend, precision=precision)
    folder = out or default_path(model, "audit")
    with graceful_interrupt(STOPPING) as interrupted, show_progress(quiet=quiet) as progress:
        result = audit(
            check_settings(ModelConfig, chosen),
            data=data,
            budget=budget,
            seeds=seeds,
            out=folder,
            progress=progress,
            stop=interrupted,
        )
    return finish(result, json=json, quiet=quiet, fail_over=fail_over, junit=junit)


def finish(result: Any, *, json: bool, quiet: bool, fail_over: float | None = None, junit: Path | None = None) -> int:
    """Writes the pages of an audit, says what came out, and returns the exit code."""
    summary = result.summary()
    if not result.complete:
        if json:
            print_json(summary)
        elif quiet:
            print_folder(result.folder.path)
        else:
            print_how_to_resume(result.folder.path)
        return 130
    result.write()
    if junit is not None:
        from neatfool.experiments.audit import write_junit

        write_junit(result, junit, fail_over=fail_over)
    if json:
        print_json(summary)
    elif quiet:
        print_folder(result.folder.path)
    else:
        _print(summary)
        print_places(result.folder.path, _PAGES)
    if fail_over is not None and summary["score"] > fail_over:
        print_error(f"The fooling score of {summary['model']}, {summary['score']:.1f}, is over {fail_over:g}.")
        return _EXIT_FAILED
    return 0


def _print(summary: dict[str, Any]) -> None:
    rows = {
        "fooling score": f"{summary['score']:.0f} of 100 ({summary['score_low']:.0f} to {summary['score_high']:.0f})",
    }
    for one in summary["attacks"]:
        first = one["passes_to_first"]
        rows[f"fooled by {one['name']}"] = f"{one['classes_fooled']} of {one['classes']} classes" + (
            f", the first after {first:,} passes a class" if first else ""
        )
    if feeding := summary["feeding"]:
        rows["accuracy"] = f"{percent(feeding['top1'])} of {feeding['images']:,} images"
        rows["mean confidence"] = percent(feeding["mean_confidence"])
        rows["calibration error"] = percent(feeding["ece"])
        if feeding["suspicion"]:
            rows["fed right?"] = feeding["suspicion"]
    print_table(rows, title=f"{summary['model']}, {summary['protocol']}")
    if summary["detectors"]:
        table = Table(title="What would catch the images", title_justify="left", title_style="bold")
        table.add_column("detector")
        for column in ("AUROC", "FPR at 95 %", "caught, at 1 % of real images"):
            table.add_column(column, justify="right")
        for one in summary["detectors"]:
            table.add_row(one["name"], f"{one['auroc']:.3f}", percent(one["fpr95"]), percent(one["rejected"]))
        stdout.print(table)


def _compare(audits: list[Path], *, out: Path | None, json: bool, quiet: bool) -> int:
    from neatfool.experiments.audit import compare_audits
    from neatfool.runs import default_path

    if len(audits) < 2:
        raise typer.BadParameter("--compare takes two audits or more: neatfool audit --compare AUDIT AUDIT ...")
    comparison = compare_audits(audits)
    place = out or default_path("audits", "comparison")
    comparison.write(place)
    summary = comparison.summary()
    if json:
        print_json({**summary, "out": str(place)})
    elif quiet:
        print_folder(place)
    else:
        table = Table(title="Fooling scores", title_justify="left", title_style="bold")
        for column in ("classifier", "score", "95 % interval", "accuracy"):
            table.add_column(column, justify="left" if column == "classifier" else "right", overflow="fold")
        for one in summary["audits"]:
            accuracy = "" if one["accuracy"] is None else percent(one["accuracy"])
            low, high = one["score_low"], one["score_high"]
            table.add_row(one["label"], f"{one['score']:.0f}", f"{low:.0f} to {high:.0f}", accuracy)
        stdout.print(table)
        print_places(place, {"page": "compare.html", "numbers": "compare.json"})
    return 0


def _before_and_after(before: Path, after: Path, *, out: Path | None, json: bool, quiet: bool) -> int:
    from neatfool.experiments.audit import before_and_after
    from neatfool.runs import default_path

    difference = before_and_after(before, after)
    place = out or default_path("audits", "before-after")
    difference.write(place)
    summary = difference.summary()
    if json:
        print_json({**summary, "out": str(place)})
    elif quiet:
        print_folder(place)
    else:
        print_table(difference.rows(), title="What retraining gained and cost")
        print_places(place, {"page": "compare.html", "numbers": "compare.json"})
    return 0
