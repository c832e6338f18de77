"""The options by which worker processes look at the images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from neatfool.cli import options
from neatfool.errors import ConfigError

if TYPE_CHECKING:
    from neatfool.models import ModelConfig
    from neatfool.scaling import RayJudge

Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto|HOST:PORT",
        help="Have N processes of this machine look at the images, or all of a Ray cluster (pip install 'neatfool\\[ray]').",
        show_default="this process",
        rich_help_panel=options.WORKERS,
    ),
]
PerWorkerGpus = Annotated[
    float | None,
    typer.Option(
        metavar="G",
        help="GPUs of each worker; a fraction lets several share one.",
        show_default="0",
        rich_help_panel=options.WORKERS,
    ),
]
PerWorkerCpus = Annotated[
    int | None,
    typer.Option(
        metavar="C",
        help="Cores of each worker.",
        show_default="1, or its share by GPUs",
        rich_help_panel=options.WORKERS,
    ),
]
Ahead = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Breed N generations before the one before them is judged: workers never wait, the search learns later.",
        metavar="N",
        show_default="0",
        rich_help_panel=options.WORKERS,
    ),
]


@contextmanager
def hired(
    model: ModelConfig | None, workers: str | None, *, gpus: float | None, cpus: int | None
) -> Iterator[RayJudge | None]:
    """The judge that asks workers, while they are needed; None without --workers.

    Raises:
        ConfigError: there is no such cluster, it has no room, or there are options for workers without --workers.
        ModelError: a worker cannot load the model.
    """
    if workers is None or model is None:
        if gpus is not None or cpus is not None:
            raise ConfigError("--per-worker-gpus and --per-worker-cpus are of workers; pass --workers too.")
        yield None
        return
    from neatfool.scaling import RayJudge

    count = int(workers) if workers.isascii() and workers.removeprefix("-").isdigit() else workers
    with RayJudge(model, workers=count, per_worker_gpus=gpus or 0, per_worker_cpus=cpus) as judge:
        yield judge
