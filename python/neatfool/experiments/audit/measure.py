"""Auditing a classifier: begin, and pick up again."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.data import labels_of, open_dataset, read_images
from neatfool.errors import DataError, RunError
from neatfool.experiments.audit.attacks import Attack, attack, attacks_on, drawn_classes
from neatfool.experiments.audit.detection import FEWEST_REAL, Detection, measure_detectors, require_detectors
from neatfool.experiments.audit.feeding import Feeding, examine_feeding
from neatfool.experiments.audit.result import AttackResult, Audit
from neatfool.experiments.audit.settings import COMMAND, AuditConfig
from neatfool.experiments.audit.state import as_arrays, by_name, read_attacks
from neatfool.models import ModelConfig
from neatfool.runs import (
    RunFolder,
    begin_folder,
    check_command,
    check_same,
    continue_folder,
    describe,
    load_model,
    read_seconds,
    read_settings,
    run_job,
)
from neatfool.search import check_repeats
from neatfool.shared.progress import OnProgress, Progress, Stop
from neatfool.shared.text import duration

log = logging.getLogger(__name__)

MOST_IMAGES = 2000
"""Real images that are looked at; of more, so many are drawn."""

_WORTH_SAYING = 20.0
"""Seconds."""

_DETECTION = 12
"""Passes for each real image that the detectors come to, roughly, for the estimate of the time left."""


def audit(
    source: Classifier | ModelConfig | str = "lenet-mnist",
    *,
    data: Path | str | None = None,
    budget: int = 500,
    seeds: int = 3,
    out: Path | str | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Audit:
    """Measures how over-confident a classifier is, and what would catch the images that fool it.

    Evolution of CPPNs and of pixels, and gradient ascent, look for images of ten classes that the classifier is at least
    99 % sure of, with the same number of passes for each class; see docs/audit.md.

    Args:
        source: the classifier, its name, or how to load it.
        data: MNIST files or a folder of images for each class: whether the classifier is fed right, and whether
            detectors tell fooling images from real ones, is then measured too.
        budget: passes through the network that each attack has for each class.
        seeds: how often each attack is done, with other random numbers and classes.
        out: run folder to write; None keeps everything in memory.
        progress: told of the passes done, over all parts of the audit.
        stop: asked often; True ends the audit, to be resumed.

    Raises:
        ConfigError: a setting is out of range.
        DataError: the real images cannot be read, or do not fit the classifier.
        JudgeError: the classifier failed in the middle; what is done is kept.
        ModelError: the classifier cannot be loaded or is no function of the image.
        RunError: the run folder cannot be written.
    """
    classifier, model = ModelConfig.settle(source)
    place = None if data is None else str(Path(data).resolve())
    config = AuditConfig(model=model, data=place, budget=budget, seeds=seeds)
    check_repeats(classifier)
    job = _Audit(config, classifier)
    with begin_folder(out, config=config.model_dump(), manifest=describe(classifier, command=COMMAND)) as folder:
        job.folder = folder
        run_job(job, progress=progress, stop=stop)
    return job.result()


def resume_audit(
    source: Path | str | RunFolder,
    *,
    judge: Classifier | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Audit:
    """Continues an audit exactly as if it had never stopped. What real images are needed for is measured again.

    Args:
        source: the folder.
        judge: the classifier, where `load_classifier` cannot find it by name.
        progress: as for `audit`.
        stop: as for `audit`.

    Raises:
        DataError: the real images cannot be read any more.
        ModelError: the classifier cannot be loaded.
        RunError: the folder is no audit, is damaged, or belongs to another classifier.
    """
    folder = RunFolder.of(source)
    check_command(folder, COMMAND)
    config = read_settings(folder, AuditConfig)
    classifier = judge or load_model(folder, config.model)
    check_same(folder, classifier)
    with continue_folder(folder, COMMAND):
        job = _Audit(config, classifier)
        job.folder = folder
        if folder.has_checkpoint:
            job.attacks, names = read_attacks(folder, config)
            if names != job.names:
                raise RunError(
                    f"{folder.path} was begun with the attacks {', '.join(names)}, not {', '.join(job.names)}."
                )
            job.seconds = read_seconds(folder, folder.load_checkpoint(())[1], 0)
        run_job(job, progress=progress, stop=stop)
    return job.result()


class _Audit:
    """An audit between two parts, a `Job`: first how it is fed, then all attacks seed by seed, detection last."""

    def __init__(self, config: AuditConfig, classifier: Classifier) -> None:
        self.folder: RunFolder | None = None
        self.seconds = 0.0
        self.config = config
        self.classifier = classifier
        self.names = attacks_on(classifier)
        self.drawn = drawn_classes(classifier.class_names, config.seeds)
        self.attacks: list[Attack] = []
        self._images, self._labels = _real_images(config, classifier)
        self._feeding: Feeding | None = None
        self._detection: Detection | None = None
        self._complete = self._estimated = False

    @property
    def done(self) -> bool:
        """See `Job.done`."""
        return self._complete

    def step(self, progress: OnProgress, stop: Stop) -> None:
        """Does the next part; see `Job.step`."""
        if not self._estimated:
            self._estimated = True
            progress(self._estimate())
        before = self.progress()

        def told(now: Progress) -> None:
            # Parts count what they like; over all, passes are counted.
            share = now.done / now.total if now.total else 0.0
            done = before.done + round(share * self._passes_of_part())
            progress(Progress(task=now.task, unit="passes", done=done, total=before.total))

        if len(self._images) and self._feeding is None:
            self._feeding = examine_feeding(self.classifier, self._images, self._labels, progress=told, stop=stop)
            if self._feeding.suspicion:
                log.warning("%s: %s", self.classifier.name, self._feeding.suspicion)
        elif len(self.attacks) < self.config.seeds * len(self.names):
            seed, which = divmod(len(self.attacks), len(self.names))
            name = self.names[which]
            made = attack(
                name, self.classifier, self.drawn[seed], budget=self.config.budget, seed=seed, progress=told, stop=stop
            )
            self.attacks.append(made)
            if self.folder:
                pictures = dict(zip(made.classes.tolist(), made.images, strict=True))
                self.folder.write_images(pictures, label=f"{name}.{seed}", sync=True)
        else:
            fooling = {one.name: one.fooling for one in self._results() if len(one.fooling)}
            if len(self._images) and fooling:
                self._detection = measure_detectors(
                    self.classifier, self._images, self._labels, fooling, progress=told, stop=stop
                )
            self._complete = True

    def progress(self) -> Progress:
        """See `Job.progress`."""
        planned = self.config.seeds * len(self.names) * self._attack_passes()
        total = planned + (1 + _DETECTION) * len(self._images)
        done = len(self.attacks) * self._attack_passes()
        if self._feeding is not None:
            done += len(self._images)
        return Progress(task="auditing", unit="passes", done=total if self._complete else done, total=total)

    def _estimate(self) -> Progress:
        """Where the audit is, with a note of how long it will take, by the time that two batches take."""
        now = self.progress()
        images = np.zeros((2 * self.classifier.chunk, *self.classifier.image_shape), np.uint8)
        begin = time.perf_counter()
        self.classifier.confidences(images)
        seconds = (time.perf_counter() - begin) / len(images) * ((now.total or 0) - now.done)
        # Of quick networks it is not their passes that take time.
        worth_saying = seconds >= _WORTH_SAYING
        return replace(now, note=f"The audit will take about {duration(seconds)} here." if worth_saying else "")

    def _attack_passes(self) -> int:
        return self.config.budget * int(self.drawn.shape[1])

    def _passes_of_part(self) -> int:
        if len(self._images) and self._feeding is None:
            return len(self._images)
        if len(self.attacks) < self.config.seeds * len(self.names):
            return self._attack_passes()
        return _DETECTION * len(self._images)

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """See `Job.checkpoint`."""
        return as_arrays(self.attacks, self.names)

    def write(self) -> None:
        """See `Job.write`; the pictures are written with their attack."""

    def result(self) -> Audit:
        """What came out, of the seeds that are done."""
        labels, places = np.unique(self._labels, return_index=True)
        return Audit(
            config=self.config,
            model=self.classifier.name,
            class_names=tuple(self.classifier.class_names),
            attacks=self._results(),
            feeding=self._feeding,
            detection=self._detection,
            photographs={int(label): self._images[place] for label, place in zip(labels, places, strict=True)},
            complete=self._complete,
            seconds=self.seconds,
            folder=self.folder,
        )

    def _results(self) -> tuple[AttackResult, ...]:
        return by_name(self.attacks, self.names, self.classifier.image_shape)


def _real_images(config: AuditConfig, classifier: Classifier) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Real images and their classes, as many as are looked at; none where the settings name none."""
    if config.data is None:
        return np.empty((0, *classifier.image_shape), np.uint8), np.empty(0, np.int64)
    require_detectors()
    images = open_dataset(config.data, classifier)
    labels = labels_of(images)
    if len(labels) < FEWEST_REAL:
        raise DataError(
            f"{config.data} holds {len(labels)} images, but an audit needs at least {FEWEST_REAL}; give more."
        )
    drawn = np.sort(np.random.default_rng(0).permutation(len(labels))[:MOST_IMAGES])
    return read_images(images, drawn), labels[drawn]
