"""Gradient ascent on class units: begin, and pick up again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neatfool.classifiers import Classifier
from neatfool.errors import ConfigError
from neatfool.experiments.ascent.job import Ascent
from neatfool.experiments.ascent.result import AscentResult
from neatfool.experiments.ascent.settings import COMMAND, PRESETS, STARTS, AscentConfig, AscentSettings, preset_for
from neatfool.experiments.ascent.start import read_start
from neatfool.models import ModelConfig
from neatfool.runs import (
    COMMAND_LINE_LIMIT,
    RunFolder,
    begin_folder,
    check_command,
    check_same,
    continue_folder,
    describe,
    load_model,
    read_settings,
    run_job,
)
from neatfool.search import chosen_classes, ranges
from neatfool.shared.progress import OnProgress, Stop


def ascend(
    source: Classifier | ModelConfig | str,
    *,
    classes: str | int | Sequence[str | int] | None = None,
    sample: int | None = None,
    settings: AscentSettings | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> AscentResult:
    """Climbs the gradient of a class unit to an image of every class (paper section 3.3 and its supplement).

    In every step the network sees the image as it would be stored, rounded to 8 bits, so that what is recorded is true
    of the stored image; the step is taken on the image before rounding. The class unit is reached through
    `Classifier.logits`, preprocessing included (with ten crops: of the centre crop), and every image is judged by
    `Classifier.confidences` in the end.

    Args:
        source: the network to fool, its name, or how to load it.
        classes: classes to climb for, by index or name: one, several, or text as in "0-4,9,goldfish"; all by default.
        sample: climb only for so many of these classes, drawn by the seed.
        settings: how to climb; by default as `PRESETS` has it, "visible" for images of more than 64 pixels a side, else
            "paper".
        seed: the same seed gives the same start for a class, whatever other classes climb.
        out: run folder to write; None keeps everything in memory.
        progress: told of each step; its metrics have generation (steps of the whole batch), evaluations (images sent
            forward and backward), classes, finished (of these), statistics of the confidence over all classes (0 for
            those not begun), and seconds.
        stop: asked before each step; True ends the ascent there, to be resumed.

    Raises:
        ConfigError: a setting is out of range, or more classes are to be drawn than there are.
        DataError: the image to start from cannot be read.
        ModelError: there is no such class, or the classifier cannot be loaded.
        RunError: the run folder cannot be written.
    """
    classifier, model = ModelConfig.settle(source)
    settings = settings or AscentSettings.model_validate(PRESETS[preset_for(classifier.image_shape)])
    if settings.start not in STARTS:
        settings = settings.model_copy(update={"start": str(Path(settings.start).resolve())})
    chosen = chosen_classes(classes, classifier.class_names, model=classifier.name)
    if sample is not None:
        if not 1 <= sample <= len(chosen):
            raise ConfigError(f"{sample} classes cannot be drawn from {len(chosen)}; ask for 1 to {len(chosen)}.")
        chosen = sorted(np.random.default_rng(seed).choice(chosen, sample, replace=False).tolist())
    config = AscentConfig(
        **settings.model_dump(exclude={"batch"}),
        batch=settings.batch or min(classifier.chunk, len(chosen)),
        model=model,
        seed=seed,
        classes=ranges(chosen),
    )
    ascent = Ascent(config, classifier, read_start(settings, classifier))
    manifest = describe(classifier, command=COMMAND)
    command_line = config.command_line()
    if len(command_line) <= COMMAND_LINE_LIMIT:
        manifest["command_line"] = command_line
    with begin_folder(out, config=config.model_dump(), manifest=manifest) as folder:
        ascent.folder = folder
        return _climb(ascent, progress, stop)


def resume_ascent(
    source: Path | str | RunFolder,
    *,
    judge: Classifier | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> AscentResult:
    """Continues an ascent exactly as if it had never stopped.

    Args:
        source: the run folder.
        judge: the network, where `load_classifier` cannot find it by name.
        progress: as for `ascend`.
        stop: as for `ascend`.

    Raises:
        ModelError: the classifier cannot be loaded.
        RunError: the folder is not an ascent, is damaged, or belongs to another classifier.
    """
    folder = RunFolder.of(source)
    check_command(folder, COMMAND)
    config = read_settings(folder, AscentConfig)
    classifier = judge or load_model(folder, config.model)
    check_same(folder, classifier)
    with continue_folder(folder, COMMAND):
        if folder.has_checkpoint:
            ascent = Ascent.restored(config, classifier, folder)
        else:
            folder.truncate_metrics(-1)
            ascent = Ascent(config, classifier, read_start(config, classifier))
            ascent.folder = folder
        return _climb(ascent, progress, stop)


def _climb(ascent: Ascent, progress: OnProgress | None, stop: Stop | None) -> AscentResult:
    if ascent.folder:
        ascent.folder.save_judgement(None)
    run_job(ascent, progress=progress, stop=stop)
    result = ascent.result()
    if ascent.folder:
        ascent.folder.save_judgement(result.judgement)
    return result
