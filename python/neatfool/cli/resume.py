"""`neatfool resume`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neatfool.cli import ascend, audit, evolve, hypothesis, options, reproduce, retrain
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.watching import BOARD, watched
from neatfool.cli.workers import PerWorkerCpus, PerWorkerGpus, Workers, hired
from neatfool.errors import ConfigError

if TYPE_CHECKING:
    from neatfool.models import ModelConfig
    from neatfool.runs import RunFolder

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
    workers: Workers = None,
    per_worker_gpus: PerWorkerGpus = None,
    per_worker_cpus: PerWorkerCpus = None,
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
    model = None if workers is None else _evolved_against(folder)
    # What was begun with TensorBoard's files goes on with them.
    board = tensorboard or (run / BOARD).is_dir()
    with (
        hired(model, workers, gpus=per_worker_gpus, cpus=per_worker_cpus) as judge,
        graceful_interrupt() as interrupted,
        retrain.show_rounds(quiet=quiet) as shown,
        watched(shown, run, model=folder.manifest.model, live=live, port=port, tensorboard=board) as progress,
    ):
        result: Any = resume(folder, generations=generations, judge=judge, progress=progress, stop=interrupted)
    return _FINISH[made_by](result, json=json, quiet=quiet)


def _evolved_against(folder: RunFolder) -> ModelConfig:
    """The model of an evolution, for workers to load.

    Raises:
        ConfigError: the folder is of another command.
        ModelError: the model is code that a stranger's folder names.
    """
    from neatfool.runs import check_trust, read_settings
    from neatfool.search import EvolveConfig

    if folder.manifest.command != "evolve":
        raise ConfigError(
            f"{folder.path} was made by `neatfool {folder.manifest.command}`, which has no workers; leave out --workers."
        )
    model = read_settings(folder, EvolveConfig).model
    check_trust(folder, model)
    return model
