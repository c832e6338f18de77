"""The paper's hypothesis (section 5, row 11): a generative classifier should find fooling images improbable.

A discriminative classifier only draws borders between classes, and is as sure as can be of images far away from all of
its data. A generative one knows p(x, y): an image that looks like no digit should get a low p(x) and can be rejected.
Here that is put to the test with `density-mnist` (see `neatfool.models.density`): on images evolved against another
classifier, on controls, and on images evolved against the generative classifier itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.data import read_mnist
from neatfool.encodings import Cppn, Direct, Encoding
from neatfool.errors import ConfigError, ModelError
from neatfool.experiments.hypothesis.images import control_images, run_images
from neatfool.experiments.hypothesis.result import Attack, Baseline, Hypothesis, ImageGroup, Images, Kind
from neatfool.experiments.hypothesis.settings import COMMAND, DEFENCES, MODEL, HypothesisConfig
from neatfool.models import load_classifier, save_classifier
from neatfool.models.density import DensityModel, Thresholds, log_joint, log_likelihood
from neatfool.runs import (
    RunFolder,
    StopRequestedError,
    begin_folder,
    check_command,
    continue_folder,
    describe,
    read_settings,
    run_job,
)
from neatfool.search import MapElites, Run, evolve, folder_of, resume
from neatfool.shared.progress import OnProgress, Progress, Stop, part

_MOST_EVALUATIONS = 10**12
_ENCODINGS: tuple[Encoding, ...] = (Cppn(initial_mutations=12), Direct(initial_cells=0))
_STRATEGY = MapElites()
"""The paper's, as its hypothesis is."""


def hypothesis(
    source: Sequence[Run | RunFolder | Path | str] = (),
    *,
    data: str | Path,
    out: str | Path,
    weights: str | Path | None = None,
    generations: int = 100,
    batch: int = 200,
    seed: int = 0,
    temperature: float = 1.0,
    controls: int = 500,
    device: str = "auto",
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Hypothesis:
    """Tests whether a generative classifier rejects evolved images, and whether evolution gets around that.

    The thresholds on log p(x) are measured on a random half of MNIST's test digits, so that the test rejects 1 % of them;
    how many of the other half it rejects is part of the result. The classifier with these thresholds is written to
    `out`, and so are the runs against it, each with ordinary run folders below `out`/runs. Called again with the same
    arguments it continues where it stopped.

    Args:
        source: Runs of `evolve` on MNIST digits against other classifiers, or their folders.
        data: Folder with MNIST's test files.
        out: Folder to write.
        weights: Weights of `density-mnist`; those that come with the package if None.
        generations: Generations of each attack.
        batch: Children of each generation.
        seed: Which half of the test digits, the controls, and the attacks.
        temperature: Divides what the attacks see of log p(x, y). At 1 most confidences of an image that is far from
            digits are 0 to the last bit, and selection has nothing to go by; at 100 it has. The confidences in the result
            are those at temperature 1.
        controls: Images of each kind of control, at most.
        device: "auto", "cpu", "cuda" or "cuda:i".
        progress: Told of each generation of each attack.
        stop: Asked before each generation; True ends there.

    Raises:
        DataError: There is no MNIST.
        ConfigError: A setting is out of range, or the folder was begun with other settings.
        ModelError: The weights do not fit.
        RunError: A run cannot be read, or is not of MNIST digits; or `out` holds something else.
    """
    folders = [folder_of(one) for one in source]
    config = HypothesisConfig(
        data=str(Path(data).resolve()),
        runs=tuple(str(folder.path.resolve()) for folder in folders),
        weights=None if weights is None else str(weights) if weights == "none" else str(Path(weights).resolve()),
        generations=generations,
        batch=batch,
        seed=seed,
        temperature=temperature,
        controls=controls,
        device=device,
    )
    if RunFolder.exists(Path(out)):
        folder = RunFolder.open(Path(out))
        check_command(folder, COMMAND)
        before = read_settings(folder, HypothesisConfig)
        changed = {"generations": config.generations, "device": config.device}
        if before.model_copy(update=changed) != config:
            raise ConfigError(f"{out} was begun with other settings; choose another --out, or continue it with resume.")
        folder.update_config(**changed)
        return resume_hypothesis(folder, progress=progress, stop=stop)
    read_mnist(data, "test")
    for folder in folders:
        run_images(folder)
    manifest = describe(_load_density(config), command=COMMAND)
    with begin_folder(out, config=config.model_dump(), manifest=manifest) as new:
        assert new is not None  # noqa: S101  # `out` was given
        return _run(new, config, progress, stop)


def resume_hypothesis(
    source: Path | str | RunFolder, *, progress: OnProgress | None = None, stop: Stop | None = None
) -> Hypothesis:
    """Does the attacks that are left, with the settings that the folder was begun with.

    Args:
        source: The folder.
        progress: Told of each generation of each attack.
        stop: Asked before each generation; True ends there.

    Raises:
        DataError: There is no MNIST any more.
        ModelError: The weights do not fit.
        RunError: The folder is none of `hypothesis`, or is damaged.
    """
    folder = RunFolder.of(source)
    with continue_folder(folder, COMMAND):
        return _run(folder, read_settings(folder, HypothesisConfig), progress, stop)


class _Hypothesis:
    """The test between two attacks; a `Job`. What is known of all the images is measured anew each time, in seconds."""

    def __init__(self, config: HypothesisConfig, folder: RunFolder) -> None:
        self.folder: RunFolder | None = folder
        self.seconds = 0.0
        self._config = config
        self._out = folder.path
        self._runs = [RunFolder.open(Path(path)) for path in config.runs]
        classifier = _load_density(config)
        self._model = _density(classifier)
        images, labels = (values.numpy() for values in read_mnist(config.data, "test"))
        joint = log_joint(self._model, images)
        self._accuracy = float((joint.argmax(1) == labels).mean())
        order = np.random.default_rng(config.seed).permutation(len(images))
        calibration, verification = order[: len(order) // 2], order[len(order) // 2 :]
        self._thresholds = Thresholds.of(log_likelihood(joint[calibration]))
        digits = ImageGroup(
            "test digits", "real", images[verification], joint[verification], labels[verification], self._thresholds
        )
        self._model.thresholds.copy_(torch.tensor(self._thresholds))
        self._model.temperature.fill_(config.temperature)
        self._calibrated = folder.file(f"{MODEL}.safetensors")
        save_classifier(
            classifier, self._calibrated, notes={"thresholds": "1 % false rejection on half of the MNIST test digits"}
        )
        made = control_images(digits.images[: config.controls], count=config.controls, seed=config.seed)
        self._groups = [digits, *(self._judge(name, "control", pictures) for name, pictures in made.items())]
        for run in self._runs:
            name = f"{run.path.name}, against {run.manifest.model}"
            self._groups.append(self._judge(name, "evolved", *run_images(run)))
        self._planned = [(encoding, defence) for encoding in _ENCODINGS for defence in DEFENCES]
        self._attacks: list[Attack] = []
        self._interrupted: list[Attack] = []

    @property
    def done(self) -> bool:
        """See `Job.done`."""
        return len(self._attacks) == len(self._planned)

    def result(self, folder: RunFolder) -> Hypothesis:
        """What came out so far, an interrupted attack included."""
        attacks = (*self._attacks, *self._interrupted)
        evaluations = max((attack.evaluations for attack in attacks), default=0)
        baselines = [baseline for run in self._runs if (baseline := _baseline(run, evaluations))]
        return Hypothesis(
            self._accuracy,
            self._thresholds,
            tuple(self._groups),
            attacks,
            tuple(baselines),
            self.done,
            self._calibrated,
            folder,
        )

    def step(self, progress: OnProgress, stop: Stop) -> None:
        """Does an attack, or what is left of it; see `Job.step`."""
        encoding, defence = self._planned[len(self._attacks)]
        name = DEFENCES[defence]
        attack, finished = self._attack(encoding, defence, name, progress, stop)
        if not finished:
            self._interrupted = [attack]
            raise StopRequestedError
        self._attacks.append(attack)

    def progress(self) -> Progress:
        """See `Job.progress`."""
        return Progress(task="attacks", unit="attacks", done=len(self._attacks), total=len(self._planned))

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """See `Job.checkpoint`; the attacks are runs in folders of their own."""
        return {}, {"attacks": str(len(self._attacks))}

    def write(self) -> None:
        """See `Job.write`; the pictures are in the attacks' folders."""

    def _attack(
        self, encoding: Encoding, defence: str, name: str, progress: OnProgress, stop: Stop
    ) -> tuple[Attack, bool]:
        """Evolves for the ten digits, or goes on where an earlier call stopped."""
        config, where = self._config, self._out / "runs" / f"{name}-{encoding.name}"
        attacked = load_classifier(name, weights=self._calibrated.resolve(), device=config.device)

        whole = part(progress, len(self._attacks) / len(self._planned), (len(self._attacks) + 1) / len(self._planned))

        def told(now: Progress) -> None:
            whole(replace(now, task=f"{encoding.name} against {name}"))

        if RunFolder.exists(where):
            run = resume(where, generations=config.generations, judge=attacked, progress=told, stop=stop)
        else:
            run = evolve(
                attacked,
                encoding=encoding,
                strategy=_STRATEGY,
                generations=config.generations,
                batch=config.batch,
                seed=config.seed,
                classes="0-9",
                out=where,
                progress=told,
                stop=stop,
            )
        group = self._judge(f"{encoding.name} against {name}", "attack", run.archive.pixels(), run.archive.classes)
        curve = np.array(_curve(run.metrics), np.float64).reshape(-1, 2)
        temperature, confidence = config.temperature, group.confidence(defence)
        attack = Attack(defence, encoding.name, where, run.evaluations, temperature, confidence, curve, group)
        return attack, run.done

    def _judge(self, name: str, kind: Kind, pictures: Images, targets: NDArray[np.int64] | None = None) -> ImageGroup:
        return ImageGroup(name, kind, pictures, log_joint(self._model, pictures), targets, self._thresholds)


def _run(folder: RunFolder, config: HypothesisConfig, progress: OnProgress | None, stop: Stop | None) -> Hypothesis:
    job = _Hypothesis(config, folder)
    run_job(job, progress=progress, stop=stop)
    return job.result(folder)


def _load_density(config: HypothesisConfig) -> Classifier:
    classifier = load_classifier(MODEL, weights=config.weights, device=config.device)
    _density(classifier)
    return classifier


def _density(classifier: Classifier) -> DensityModel:
    if not isinstance(classifier.module, DensityModel):
        raise ModelError(f"{classifier.name} has no density; use {MODEL}.")
    return classifier.module


def _curve(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """Evaluations and median confidence of each line of metrics that has both, which a stranger may have written."""
    found = []
    for row in rows:
        evaluations: Any = row.get("evaluations")
        confidence: Any = row.get("median_confidence")
        numbers = type(evaluations) is int and type(confidence) in (int, float)
        if numbers and 0 <= evaluations <= _MOST_EVALUATIONS and 0 <= confidence <= 1:
            found.append((evaluations, float(confidence)))
    return found


def _baseline(run: RunFolder, evaluations: int) -> Baseline | None:
    """The run's last generation within a number of evaluations."""
    within = [point for point in _curve(run.metrics()) if point[0] <= evaluations]
    return Baseline(run.path.name, run.manifest.model, *within[-1]) if within else None
