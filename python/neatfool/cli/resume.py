"""`neatfool resume`."""

from typing import Annotated

import typer

from neatfool.cli import ascend, evolve, options, retrain
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import generation_progress

_WITHOUT_GENERATIONS = {"ascend": ascend.resume, "retrain": retrain.resume}


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
    from neatfool.errors import ConfigError
    from neatfool.runs import RunFolder
    from neatfool.search import build_config, resume

    folder = RunFolder.open(run)
    if other := _WITHOUT_GENERATIONS.get(folder.manifest.command):
        if generations is not None:
            raise ConfigError(f"{run} was made by `neatfool {folder.manifest.command}`; leave out --generations.")
        return other(run, json=json, quiet=quiet)
    target = build_config(folder.config).generations if generations is None else generations
    with graceful_interrupt() as interrupted, generation_progress(target, done=0, quiet=quiet) as progress:
        result = resume(run, generations=target, on_generation=progress, stop=interrupted)
    evolve.finish(result, json=json, quiet=quiet)
    return 130 if result.generation < target else 0
