"""`neatfool resume`."""

from typing import Annotated

import typer

from neatfool.cli import options
from neatfool.cli.evolve import finish
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import generation_progress


def command(
    run: options.RunPath,
    generations: Annotated[
        int | None,
        typer.Option(min=0, help="Generations to reach in all.", show_default="what the run was started with"),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Continue a run exactly as if it had never stopped."""
    from neatfool.runs import RunFolder
    from neatfool.search import build_config, resume

    target = generations
    if target is None:
        target = build_config(RunFolder.open(run).config).generations
    with graceful_interrupt() as interrupted, generation_progress(target, done=0, quiet=quiet) as progress:
        result = resume(run, generations=target, on_generation=progress, stop=interrupted)
    finish(result, json=json, quiet=quiet)
    return 130 if result.generation < target else 0
