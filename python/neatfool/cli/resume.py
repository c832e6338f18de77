"""`neatfool resume`."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from neatfool.cli import ascend, audit, evolve, hypothesis, options, reproduce, retrain
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.watching import BOARD, watched

_FINISH: dict[str, Callable[..., int]] = {
    "evolve": evolve.finish,
    "ascend": ascend.finish,
    "retrain": retrain.finish,
    "hypothesis": hypothesis.finish,
    "reproduce": reproduce.finish,
    "audit": audit.finish,
}

EPILOG = """Examples:
  neatfool resume runs/mine
  neatfool resume runs/mine --generations 5000 --live
"""


def command(
    run: options.RunPath,
    generations: Annotated[
        int | None,
        typer.Option(min=0, help="Generations to reach in all.", show_default="what the run was last given"),
    ] = None,
    trust: options.Trust = False,
    live: options.Live = False,
    port: options.Port = None,
    tensorboard: options.TensorBoard = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Continue whatever was begun in a folder, exactly as if it had never stopped."""
    from neatfool.experiments.jobs import resume
    from neatfool.runs import RunFolder

    folder = RunFolder.open(run, trust=trust)
    made_by = folder.manifest.command
    # What was begun with TensorBoard's files goes on with them.
    board = tensorboard or (run / BOARD).is_dir()
    with (
        graceful_interrupt() as interrupted,
        retrain.show_rounds(quiet=quiet) as shown,
        watched(shown, run, model=folder.manifest.model, live=live, port=port, tensorboard=board) as progress,
    ):
        result: Any = resume(folder, generations=generations, progress=progress, stop=interrupted)
    return _FINISH[made_by](result, json=json, quiet=quiet)
