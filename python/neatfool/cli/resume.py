"""`neatfool resume`."""

from typing import Annotated

import typer

from neatfool.cli import options, retrain
from neatfool.cli.evolve import finish
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import generation_progress
from neatfool.errors import ConfigError


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

    folder = RunFolder.open(run)
    if folder.manifest.command == "retrain":
        if generations is not None:
            raise ConfigError(f"{run} goes by rounds, set when it was started; leave out --generations.")
        return retrain.resume(run, json=json, quiet=quiet)
    target = build_config(folder.config).generations if generations is None else generations
    with graceful_interrupt() as interrupted, generation_progress(target, done=0, quiet=quiet) as progress:
        result = resume(run, generations=target, on_generation=progress, stop=interrupted)
    finish(result, json=json, quiet=quiet)
    return 130 if result.generation < target else 0
