"""From what a user names to what it stands for: runs, folders, judges, classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neatfool.classifiers import Classifier, find_classes
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.models import ModelConfig, as_classifier
from neatfool.runs import (
    RunFolder,
    check_command,
    check_same,
    load_model,
    read_count,
    read_rows,
    read_seconds,
    read_settings,
)
from neatfool.search.config import EvolveConfig
from neatfool.search.judge import Judge, stands_for
from neatfool.search.run import COMMAND, Run
from neatfool.search.search import Search


def load_run(folder: RunFolder, *, judge: Judge | None = None, begun: bool = True) -> Run:
    """The run in a folder as its checkpoint left it.

    Args:
        folder: the run folder.
        judge: what the run was begun with, where `load_classifier` cannot find it by name.
        begun: refuse a run that was killed before its first checkpoint.

    Raises:
        ModelError: the classifier cannot be loaded.
        RunError: the folder is damaged, was not made by `evolve`, or belongs to another classifier.
    """
    config, search, seconds = load_search(folder, begun=begun)
    if judge is None:
        judge = load_judge(folder, config.model)
    check_same(folder, stands_for(judge))
    rows = read_rows(folder, search.generation)
    twice = 0
    if config.screen and folder.has_checkpoint:
        twice = read_count(folder, folder.load_checkpoint(())[1], "judged_twice")
    return Run(config, judge, search, folder=folder, metrics=rows, seconds=seconds, judged_twice=twice)


def as_run(source: Run | RunFolder | Path | str, *, judge: Judge | None = None) -> Run:
    """A run as it is, or the one in a folder.

    Args:
        source: the run or its folder.
        judge: what it was begun with, where `load_classifier` cannot find it by name.

    Raises:
        ModelError: the classifier cannot be loaded.
        RunError: the folder is damaged, was not made by `evolve`, or belongs to another classifier.
    """
    if isinstance(source, Run):
        return source
    return load_run(RunFolder.of(source), judge=judge)


def folder_of(source: Run | RunFolder | Path | str) -> RunFolder:
    """The folder of a run.

    Raises:
        RunError: the run is kept in memory alone, or there is no run folder.
    """
    if not isinstance(source, Run):
        return RunFolder.of(source)
    if source.folder is None:
        raise RunError("The run is kept in memory alone; begin it with out=... to have a folder.")
    return source.folder


def load_search(folder: RunFolder, *, begun: bool = True) -> tuple[EvolveConfig, Search, float]:
    """Settings, search and seconds of a run folder, without its judge.

    Raises:
        RunError: the folder is damaged or was not made by `evolve`.
    """
    check_command(folder, COMMAND)
    config, manifest = read_settings(folder, EvolveConfig), folder.manifest
    try:
        cells = chosen_classes(config.classes, manifest.class_names, model=manifest.model)
        search = make_search(config, manifest.class_names, manifest.image_shape, cells)
    except (ConfigError, ModelError) as error:
        raise RunError(f"{folder.path / 'config.toml'} does not describe a run: {error}") from error
    if not folder.has_checkpoint and not begun:
        return config, search, 0.0
    arrays, metadata = folder.load_checkpoint()
    generation = read_count(folder, metadata, "generation")
    # Runs of schema 1 have batches of one size and do not count.
    counted = "evaluations" in metadata
    evaluations = read_count(folder, metadata, "evaluations") if counted else search.start + generation * search.batch
    search.restore(arrays, generation=generation, evaluations=evaluations)
    return config, search, read_seconds(folder, metadata, generation)


def make_search(
    config: EvolveConfig, class_names: Sequence[str], image_shape: tuple[int, int, int], cells: Sequence[int]
) -> Search:
    """The search that settings describe, not begun."""
    return Search(
        image_shape,
        class_names,
        cells=cells,
        encoding=config.encoding,
        strategy=config.strategy,
        objective=config.objective,
        start=config.start,
        batch=config.batch,
        seed=config.seed,
        ahead=config.ahead,
    )


def as_judge(source: Any, model: ModelConfig) -> Judge:
    """What `evolve` takes as what to fool, or what a configuration names.

    Raises:
        ModelError: it is none, or cannot be loaded.
    """
    if source is None:
        return model.load()
    if isinstance(source, str):
        return model.model_copy(update={"name": source}).load()
    is_judge = all(hasattr(source, part) for part in ("name", "image_shape", "class_names", "confidences"))
    judge: Judge = source if is_judge else as_classifier(source)
    return judge


def load_judge(folder: RunFolder, model: ModelConfig) -> Classifier:
    """The classifier that a run was begun with, by its name.

    Raises:
        ModelError: it cannot be loaded.
        RunError: the run was begun with another kind of judge.
    """
    if folder.manifest.weights_hash is None:
        raise RunError(
            f"The run {folder.path} was judged by {folder.manifest.model}, which is no classifier that can be loaded; "
            "pass it as judge=... from Python."
        )
    return load_model(folder, model)


def chosen_classes(
    classes: str | int | Sequence[str | int] | None, class_names: Sequence[str], *, model: str
) -> list[int]:
    """Indices of the classes that `classes` names, each once, in the order named; all if None.

    Raises:
        ModelError: one does not exist, several are meant, or none is named.
    """
    return list(range(len(class_names))) if classes is None else find_classes(class_names, classes, model=model)


def ranges(indices: Sequence[int]) -> str:
    """Class indices as text, runs of them as ranges: "0-4,9"."""
    groups: list[list[int]] = []
    for index in indices:
        if groups and index == groups[-1][-1] + 1:
            groups[-1].append(index)
        else:
            groups.append([index])
    return ",".join(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups)
