"""What plots take: a run, its folder or the path of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neatfool.runs import RunFolder, read_elites
from neatfool.search import Run, Search
from neatfool.search.loading import load_search

Source = Run | RunFolder | Path | str
"""A run, in memory or not, or the folder of one."""


def search_of(source: Source) -> Search:
    """The search of a run made by `evolve`; its judge is not needed.

    Raises:
        RunError: the folder is damaged, or another command made it.
    """
    return source.search if isinstance(source, Run) else load_search(RunFolder.of(source))[1]


def metrics_of(source: Source) -> tuple[Sequence[Mapping[str, Any]], int]:
    """The metrics of a run, and how many classes it has elites for.

    Raises:
        RunError: the folder is damaged.
    """
    if isinstance(source, Run):
        return source.metrics, len(source.archive)
    folder = RunFolder.of(source)
    return folder.metrics(), len(read_elites(folder)) or len(folder.manifest.class_names)


def name_of(source: Source) -> str:
    """What a run is called in a comparison: its folder, or what is fooled."""
    if isinstance(source, Run):
        return source.folder.path.resolve().name if source.folder else source.judge.name
    return RunFolder.of(source).path.resolve().name
