"""Continuing whatever a folder holds."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from neatfool.errors import ConfigError, RunError
from neatfool.runs import RunFolder
from neatfool.shared.progress import OnProgress, Stop

_RESUMERS = {
    "evolve": ("neatfool.search", "resume"),
    "ascend": ("neatfool.experiments.ascent", "resume_ascent"),
    "retrain": ("neatfool.experiments.retraining", "resume_retrain"),
    "hypothesis": ("neatfool.experiments.hypothesis", "resume_hypothesis"),
    "reproduce": ("neatfool.experiments.reproduction", "resume_reproduction"),
    "audit": ("neatfool.experiments.audit", "resume_audit"),
}


@runtime_checkable
class Result(Protocol):
    """What every experiment returns. In a notebook it shows itself.

    Each also has `write`, which makes files for people: into its own folder, or, where it has none, into one that is named.
    """

    def summary(self) -> dict[str, Any]:
        """The numbers in one JSON-ready dictionary, as the command prints them with --json."""

    def _repr_html_(self) -> str: ...


def resume(
    source: Path | str | RunFolder,
    *,
    generations: int | None = None,
    judge: Any = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Any:
    """Continues whatever was begun in a folder, exactly as if it had never stopped.

    Args:
        source: the folder of an evolution, an ascent, a retraining, a hypothesis, a reproduction or an audit.
        generations: generations to reach in all, for an evolution; by default what it was last given.
        judge: the classifier or other judge it was begun with, where `load_classifier` cannot find it by name.
        progress: told where the job is.
        stop: asked often; True ends the job where it can be resumed.

    Returns:
        What the command that began it returns.

    Raises:
        ConfigError: `generations` does not fit.
        ModelError: the classifier cannot be loaded.
        RunError: the folder holds nothing that can be continued, is damaged, or belongs to another classifier.
    """
    folder = RunFolder.of(source)
    command = folder.manifest.command
    if command not in _RESUMERS:
        raise RunError(f"{folder.path} was made by `neatfool {command}`, which cannot be continued; run it again.")
    options: dict[str, Any] = {}
    if generations is not None:
        if command != "evolve":
            raise ConfigError(f"{folder.path} was made by `neatfool {command}`; leave out --generations.")
        options["generations"] = generations
    if judge is not None:
        options["judge"] = judge
    module, name = _RESUMERS[command]
    continue_it: Callable[..., Any] = getattr(import_module(module), name)
    return continue_it(folder, progress=progress, stop=stop, **options)
