"""Evolving images that a classifier is sure about: begin, go on, stop, and pick up again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neatfool.classifiers import Classifier
from neatfool.encodings import Encoding
from neatfool.errors import ConfigError
from neatfool.models import ModelConfig
from neatfool.models.naming import resolve_name
from neatfool.runs import (
    RunFolder,
    begin_folder,
    continue_folder,
    describe,
)
from neatfool.search.config import EvolveConfig, build_config
from neatfool.search.judge import Judge, stands_for
from neatfool.search.loading import as_judge, chosen_classes, load_run, make_search, ranges
from neatfool.search.noise import check_repeats
from neatfool.search.objective import Objective
from neatfool.search.run import COMMAND, Run
from neatfool.search.screening import Rough, RoughPrecision
from neatfool.search.strategy import StrategySettings
from neatfool.shared.progress import OnProgress, Stop


def evolve(
    source: Classifier | Judge | str | None = None,
    *,
    encoding: Encoding | str | None = None,
    strategy: StrategySettings | str | None = None,
    objective: Objective | str | None = None,
    generations: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    classes: str | int | Sequence[str | int] | None = None,
    out: Path | str | None = None,
    config: EvolveConfig | None = None,
    allow_noise: bool | None = None,
    screen: RoughPrecision | None = None,
    ahead: int | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Run:
    """Evolves one image for each class that a classifier is as sure as possible about (paper section 2.2).

    Args:
        source: what to fool: a classifier, its name, or another judge; None is what `config` names (by default the built-in
            MNIST network).
        encoding: what genomes are, settings or a name; CPPNs by default.
        strategy: how they are found, settings or a name; MAP-Elites by default.
        objective: what elites are chosen by, settings or a name; their confidence by default.
        generations: generations after the random start; 200 by default.
        batch: children of each; 200 by default for up to 100 classes, else 400.
        seed: the same seed gives the same run.
        classes: classes to evolve for, by index or name: one, several, or text as in "0-4,9,goldfish"; all by default.
        out: run folder to write; None keeps everything in memory.
        config: settings to start from; the other arguments override it.
        allow_noise: take a judge that gives the same image other confidences each time: every new elite is judged again, and
            the mean kept.
        screen: "int8" or "bfloat16": what everybody is judged in first, fast and roughly; those that may become elites are
            judged again in float32. See docs/search.md.
        ahead: generations that are bred before the one before them is judged, so that workers never wait; 0 by default. See
            docs/scaling.md.
        progress: told of each generation.
        stop: asked before each generation after the random start; True ends the run there.

    Returns:
        The finished run.

    Raises:
        ConfigError: a setting is unknown or out of range, or the judge cannot be had in the precision of `screen`.
        JudgeError: the judge failed in the middle; the last checkpoint is kept.
        ModelError: the classifier cannot be loaded or is no function of the image, or a class does not exist.
        RunError: the run folder cannot be written.
    """
    named = {"encoding": encoding, "strategy": strategy, "objective": objective}
    plain: dict[str, Any] = {"generations": generations, "batch": batch, "seed": seed, "allow_noise": allow_noise}
    plain |= {"screen": screen, "ahead": ahead}
    given = {key: value for key, value in (named | plain).items() if value is not None}
    base = config or EvolveConfig()
    settings = build_config({name: getattr(base, name) for name in EvolveConfig.model_fields}, given)
    judge = as_judge(source, settings.model)
    if source is not None:
        settings = settings.model_copy(update={"model": _model_of(source, stands_for(judge), settings.model)})
    if not settings.allow_noise:
        check_repeats(judge)
    cells = chosen_classes(settings.classes if classes is None else classes, judge.class_names, model=judge.name)
    search = make_search(settings, judge.class_names, judge.image_shape, cells)
    settings = settings.model_copy(
        update={
            "start": search.start,
            "batch": search.batch,
            "classes": None if len(cells) == len(judge.class_names) and cells == sorted(cells) else ranges(cells),
        }
    )
    rough = Rough.of(judge, settings.screen, search) if settings.screen else None
    with begin_folder(
        out, config=settings.model_dump(), manifest=describe(stands_for(judge), command=COMMAND)
    ) as folder:
        run = Run(settings, judge, search, folder=folder, rough=rough)
        run._run(settings.generations, progress, stop)
    return run


def resume(
    source: Path | str | RunFolder,
    *,
    generations: int | None = None,
    judge: Judge | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Run:
    """Continues a run exactly as if it had never stopped.

    Args:
        source: the run folder.
        generations: generations to reach in all, and to remember; by default what the run was last given.
        judge: what the run was begun with, where `load_classifier` cannot find it by name.
        progress: told of each generation.
        stop: asked before each generation; True ends the run there.

    Raises:
        ConfigError: fewer generations are asked for than are done.
        ModelError: the classifier cannot be loaded.
        RunError: the folder is not a run, is damaged, or belongs to another classifier.
    """
    folder = RunFolder.of(source)
    with continue_folder(folder, COMMAND):
        run = load_run(folder, judge=judge, begun=False)
        if not run.config.allow_noise:
            check_repeats(run.judge if judge is None else judge)
        target = run.config.generations if generations is None else generations
        if target < run.generation:
            raise ConfigError(
                f"The run {folder.path} has {run.generation} generations already; ask for --generations {run.generation} or "
                "more."
            )
        folder.truncate_metrics(run.generation)
        run._run(target, progress, stop)
    return run


def _model_of(source: Classifier | Judge | str, judge: Judge, configured: ModelConfig) -> ModelConfig:
    if isinstance(source, str):
        return configured.model_copy(update={"name": resolve_name(source)})
    if not isinstance(judge, Classifier):
        return ModelConfig(name=judge.name)
    model = ModelConfig.of(judge)
    # The copies of a classifier are elsewhere, and so is their device.
    return model if judge is source else model.model_copy(update={"device": configured.device})
