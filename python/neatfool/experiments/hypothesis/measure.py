"""The paper's hypothesis (section 5, row 11): a generative classifier should find fooling images improbable.

A discriminative classifier only draws borders between classes, and is as sure as can be of images far away from all of
its data. A generative one knows p(x, y): an image that looks like no digit should get a low p(x) and can be rejected.
Here that is put to the test with `density-mnist` (see `neatfool.models.density`): on images evolved against another
classifier, on controls, and on images evolved against the generative classifier itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.data import read_mnist
from neatfool.encodings import Cppn, Direct
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.experiments.hypothesis.images import control_images, run_images
from neatfool.experiments.hypothesis.result import Attack, Baseline, Hypothesis, ImageGroup, Images, Kind
from neatfool.models import load_classifier
from neatfool.models.density import DensityModel, Thresholds, log_joint, log_likelihood
from neatfool.runs import RunFolder
from neatfool.search import Run, build_config, evolve, resume
from neatfool.shared.files import make_folder
from neatfool.training.loop import save_classifier

MODEL = "density-mnist"
DEFENCES = {"none": MODEL, "low": f"{MODEL}-reject", "typical": f"{MODEL}-typical"}
"""The classifiers evolved against: without rejection, with the one-sided and with the two-sided test."""


def hypothesis(
    *,
    data: str | Path,
    out: str | Path,
    runs: Sequence[RunFolder] = (),
    weights: str | Path | None = None,
    generations: int = 100,
    batch: int = 200,
    seed: int = 0,
    temperature: float = 1.0,
    controls: int = 500,
    device: str = "auto",
    say: Callable[[str], None] = lambda _: None,
    on_generation: Callable[[dict[str, Any]], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Hypothesis:
    """Tests whether a generative classifier rejects evolved images, and whether evolution gets around that.

    The thresholds on log p(x) are measured on a random half of MNIST's test digits, so that the test rejects 1 % of them;
    how many of the other half it rejects is part of the result. The classifier with these thresholds is written to
    `out`, and so are the runs against it, each with ordinary run folders below `out`/runs. Called again with the same
    arguments it continues where it stopped.

    Args:
        data: Folder with MNIST's test files.
        out: Folder to write.
        runs: Runs of `evolve` on MNIST digits against other classifiers.
        weights: Weights of `density-mnist`; those that come with the package if None.
        generations: Generations of each attack.
        batch: Children of each generation.
        seed: Which half of the test digits, the controls, and the attacks.
        temperature: Divides what the attacks see of log p(x, y). At 1 most confidences of an image that is far from
            digits are 0 to the last bit, and selection has nothing to go by; at 100 it has. The confidences in the result
            are those at temperature 1.
        controls: Images of each kind of control, at most.
        device: "auto", "cpu", "cuda" or "cuda:i".
        say: Called with a line at each step.
        on_generation: Called with the metrics of each generation of each attack.
        stop: Asked before each generation; True ends there.

    Raises:
        DataError: There is no MNIST.
        ConfigError: The temperature is not above 0, or there are no controls.
        ModelError: The weights do not fit.
        RunError: A run cannot be read, is not of MNIST digits, or `out` holds attacks made with other settings.
    """
    if not temperature > 0:
        raise ConfigError(f"The temperature must be above 0, not {temperature}.")
    if controls < 1:
        raise ConfigError(f"controls must be at least 1, not {controls}.")
    out = Path(out)
    make_folder(out)
    classifier = load_classifier(MODEL, weights=weights, device=device)
    model = _density(classifier)
    images, labels = (values.numpy() for values in read_mnist(data, "test"))

    say(f"log p(x, y) of {len(images):,} test digits")
    joint = log_joint(model, images)
    order = np.random.default_rng(seed).permutation(len(images))
    calibration, verification = order[: len(order) // 2], order[len(order) // 2 :]
    thresholds = Thresholds.of(log_likelihood(joint[calibration]))
    digits = ImageGroup(
        "test digits", "real", images[verification], joint[verification], labels[verification], thresholds
    )
    model.thresholds.copy_(torch.tensor(thresholds))
    model.temperature.fill_(temperature)
    calibrated = out / f"{MODEL}.safetensors"
    save_classifier(
        classifier, calibrated, notes={"thresholds": "1 % false rejection on half of the MNIST test digits"}
    )

    def judge(name: str, kind: Kind, pictures: Images, targets: NDArray[np.int64] | None = None) -> ImageGroup:
        say(f"log p(x, y) of {name}")
        return ImageGroup(name, kind, pictures, log_joint(model, pictures), targets, thresholds)

    groups = [digits]
    made = control_images(digits.images[:controls], count=controls, seed=seed)
    groups += [judge(name, "control", pictures) for name, pictures in made.items()]
    for run in runs:
        pictures, targets = run_images(run)
        groups.append(judge(f"{run.path.name}, against {run.manifest.model}", "evolved", pictures, targets))

    attacks: list[Attack] = []
    complete = True
    for encoding in (Cppn(), Direct()):
        for defence, name in DEFENCES.items():
            say(f"evolution against {name}, {encoding.name} encoding")
            attacked = load_classifier(name, weights=calibrated.resolve(), device=device)
            result = _attack(
                attacked,
                encoding,
                out / "runs" / f"{name}-{encoding.name}",
                generations=generations,
                batch=batch,
                seed=seed,
                on_generation=on_generation,
                stop=stop,
            )
            group = judge(f"{encoding.name} against {name}", "attack", result.archive.pixels(), result.archive.classes)
            attacks.append(_finished(result, defence, temperature, group))
            complete = result.generation >= generations
            if not complete:
                break
        if not complete:
            break
    evaluations = max(attack.evaluations for attack in attacks)
    baselines = [baseline for run in runs if (baseline := _baseline(run, evaluations))]
    accuracy = float((joint.argmax(1) == labels).mean())
    return Hypothesis(accuracy, thresholds, tuple(groups), tuple(attacks), tuple(baselines), complete, calibrated)


def _density(classifier: Classifier) -> DensityModel:
    if not isinstance(classifier.module, DensityModel):
        raise ModelError(f"{classifier.name} has no density; use {MODEL}.")
    return classifier.module


def _attack(
    classifier: Classifier,
    encoding: Cppn | Direct,
    folder: Path,
    *,
    generations: int,
    batch: int,
    seed: int,
    on_generation: Callable[[dict[str, Any]], None] | None,
    stop: Callable[[], bool] | None,
) -> Run:
    """Evolves for the ten digits, or goes on where an earlier call stopped."""
    if not (folder / "manifest.json").exists():
        return evolve(
            classifier,
            encoding=encoding,
            generations=generations,
            batch=batch,
            seed=seed,
            classes="0-9",
            out=folder,
            on_generation=on_generation,
            stop=stop,
        )
    config = build_config(RunFolder.open(folder).config)
    if (config.encoding, config.batch, config.seed) != (encoding, batch, seed):
        raise RunError(f"{folder} was made with another seed or batch; choose another --out.")
    return resume(folder, generations=generations, classifier=classifier, on_generation=on_generation, stop=stop)


def _finished(run: Run, defence: str, temperature: float, group: ImageGroup) -> Attack:
    assert run.folder is not None  # noqa: S101
    curve = np.array([(row["evaluations"], row["median_confidence"]) for row in run.metrics])
    return Attack(
        defence,
        run.config.encoding.name,
        run.folder.path,
        run.evaluations,
        temperature,
        group.confidence(defence),
        curve,
        group,
    )


def _baseline(run: RunFolder, evaluations: int) -> Baseline | None:
    """The run's last generation within a number of evaluations."""
    rows = [row for row in run.metrics() if row["evaluations"] <= evaluations]
    if not rows:
        return None
    last = rows[-1]
    return Baseline(run.path.name, run.manifest.model, last["evaluations"], last["median_confidence"])
