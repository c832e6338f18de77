"""The paper's hypothesis (section 5, row 11): a generative classifier should find fooling images improbable.

A discriminative classifier only draws borders between classes, and is as sure as can be of images far away from all of
its data. A generative one knows p(x, y): an image that looks like no digit should get a low p(x) and can be rejected.
Here that is put to the test with `density-mnist` (see `neatfool.models.density`): on images evolved against another
classifier, on controls, and on images evolved against the generative classifier itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.data import read_mnist
from neatfool.encodings import Cppn, Direct
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.models import load_classifier
from neatfool.models.density import (
    DensityModel,
    Thresholds,
    bits_per_dimension,
    log_joint,
    log_likelihood,
)
from neatfool.runs import RunFolder
from neatfool.search import Run, build_config, evolve, resume
from neatfool.training import save_classifier

MODEL = "density-mnist"
DEFENCES = {"none": MODEL, "low": f"{MODEL}-reject", "typical": f"{MODEL}-typical"}
"""The classifiers evolved against: without rejection, with the one-sided and with the two-sided test."""

CONTROL_IMAGES = 500

Images = NDArray[np.uint8]
Kind = Literal["real", "control", "evolved", "attack"]


@dataclass(frozen=True)
class ImageGroup:
    """Images of one kind, and what the generative classifier makes of them.

    Attributes:
        name: what they are.
        kind: real digits, controls, images evolved against another classifier, or against this one.
        images: uint8 (N, 1, 28, 28).
        joint: log p(x, y) in nats, float64 (N, 10).
        targets: the class each was evolved for or is of, int64 (N,); None if there is none.
        thresholds: the bounds on log p(x) that they are judged by.
    """

    name: str
    kind: Kind
    images: Images
    joint: NDArray[np.float64]
    targets: NDArray[np.int64] | None
    thresholds: Thresholds

    @property
    def log_likelihood(self) -> NDArray[np.float64]:
        """Log p(x) in nats, float64 (N,)."""
        return log_likelihood(self.joint)

    @property
    def bits(self) -> NDArray[np.float64]:
        """-log2 p(x) per pixel, float64 (N,)."""
        return bits_per_dimension(self.log_likelihood, self.images[0].size)

    @property
    def posterior(self) -> NDArray[np.float64]:
        """p(y | x), float64 (N, 10)."""
        posterior: NDArray[np.float64] = np.exp(self.joint - self.log_likelihood[:, np.newaxis])
        return posterior

    @property
    def rejected_low(self) -> float:
        """Share that the one-sided test rejects."""
        return float((self.log_likelihood < self.thresholds.low).mean())

    @property
    def rejected_typical(self) -> float:
        """Share that the two-sided test rejects."""
        _, low, high = self.thresholds
        return float(((self.log_likelihood < low) | (self.log_likelihood > high)).mean())

    def confidence(self, defence: str) -> NDArray[np.float64]:
        """The probability of each image's target where rejection is a class too, float64 (N,).

        Args:
            defence: One of `DEFENCES`.

        Raises:
            ValueError: The images have no targets.
        """
        if self.targets is None:
            raise ValueError(f"{self.name} have no targets")
        evidence = self.log_likelihood
        low, typical_low, typical_high = self.thresholds
        total = evidence
        if defence == "low":
            total = np.logaddexp(evidence, low)
        elif defence == "typical":
            total = np.logaddexp(evidence, np.logaddexp(typical_low, 2 * evidence - typical_high))
        confidence: NDArray[np.float64] = np.exp(self.joint[np.arange(len(self.joint)), self.targets] - total)
        return confidence

    def summary(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        sure = self.posterior.max(1)
        median, lowest, highest = np.quantile(self.bits, (0.5, 0, 1)).tolist()
        values: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "images": len(self.images),
            "median_bits_per_dimension": median,
            "min_bits_per_dimension": lowest,
            "max_bits_per_dimension": highest,
            "rejected_one_sided": self.rejected_low,
            "rejected_two_sided": self.rejected_typical,
            "median_confidence": float(np.median(sure)),
            "share_over_99": float((sure >= 0.99).mean()),
        }
        if self.targets is not None:
            values["median_confidence_in_target"] = float(np.median(self.confidence("none")))
            values["classified_as_target"] = float((self.joint.argmax(1) == self.targets).mean())
        return values


@dataclass(frozen=True)
class Attack:
    """Evolution against the generative classifier itself.

    Attributes:
        defence: "none", or the test whose rejection the confidences allow for: "low" or "typical".
        encoding: "cppn" or "direct".
        run: the run folder.
        evaluations: images judged.
        temperature: that the search saw log p(x, y) divided by.
        confidence: of each class's elite in its class, float64 (10,), at temperature 1; what a test rejects has none.
        curve: (evaluations, median confidence at the search's temperature) of each generation, float64 (generations + 1, 2).
        group: the elites.
    """

    defence: str
    encoding: str
    run: Path
    evaluations: int
    temperature: float
    confidence: NDArray[np.float64]
    curve: NDArray[np.float64]
    group: ImageGroup

    def summary(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        return {
            **self.group.summary(),
            "defence": self.defence,
            "encoding": self.encoding,
            "run": str(self.run),
            "evaluations": self.evaluations,
            "temperature": self.temperature,
            "median_confidence_reached": float(np.median(self.confidence)),
            "min_confidence_reached": float(self.confidence.min()),
            "classes_over_99": int((self.confidence >= 0.99).sum()),
        }


@dataclass(frozen=True)
class Baseline:
    """How far evolution got against another classifier with as many evaluations as an attack had.

    Attributes:
        name: the run.
        model: the classifier it was evolved against.
        evaluations: images judged.
        median_confidence: of the elites then, in [0, 1].
    """

    name: str
    model: str
    evaluations: int
    median_confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """What came out.

    Attributes:
        accuracy: on all test digits, without rejection.
        thresholds: measured on one half of the test digits.
        groups: the test digits of the other half first, then controls and the runs' images.
        attacks: evolution against the generative classifier; fewer than planned if it was interrupted.
        baselines: of the runs given, at the evaluations of the attacks.
        complete: whether all attacks are done.
        weights: file of the classifier with these thresholds.
    """

    accuracy: float
    thresholds: Thresholds
    groups: tuple[ImageGroup, ...]
    attacks: tuple[Attack, ...]
    baselines: tuple[Baseline, ...]
    complete: bool
    weights: Path

    @property
    def digits(self) -> ImageGroup:
        """The test digits that the thresholds were not measured on."""
        return self.groups[0]

    def summary(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        return {
            "accuracy": self.accuracy,
            "bits_per_dimension": float(self.digits.bits.mean()),
            "thresholds": {
                name: {"log_likelihood": nats, "bits_per_dimension": float(bits)}
                for name, nats, bits in zip(
                    Thresholds._fields,
                    self.thresholds,
                    bits_per_dimension(np.array(self.thresholds), self.digits.images[0].size),
                    strict=True,
                )
            },
            "false_rejection_one_sided": self.digits.rejected_low,
            "false_rejection_two_sided": self.digits.rejected_typical,
            "groups": [group.summary() for group in self.groups],
            "attacks": [attack.summary() for attack in self.attacks],
            "baselines": [vars(baseline) for baseline in self.baselines],
            "complete": self.complete,
            "weights": str(self.weights),
        }


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
        device: "auto", "cpu", "cuda" or "cuda:i".
        say: Called with a line at each step.
        on_generation: Called with the metrics of each generation of each attack.
        stop: Asked before each generation; True ends there.

    Raises:
        DataError: There is no MNIST.
        ConfigError: The temperature is not above 0.
        ModelError: The weights do not fit.
        RunError: A run cannot be read, is not of MNIST digits, or `out` holds attacks made with other settings.
    """
    if not temperature > 0:
        raise ConfigError(f"The temperature must be above 0, not {temperature}.")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
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
    groups += [judge(name, "control", pictures) for name, pictures in controls(digits.images, seed=seed).items()]
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


def controls(digits: Images, *, seed: int) -> dict[str, Images]:
    """Images that are not upright white digits on black, by name: uint8 (N, 1, 28, 28) each.

    Args:
        digits: uint8 (N, 1, 28, 28).
        seed: Of the noise, the shuffling and the networks.
    """
    random = np.random.default_rng((seed, 1))
    chosen = digits[:CONTROL_IMAGES]
    shape = chosen.shape[1:]
    networks = Cppn().start(CONTROL_IMAGES, shape=(1, 28, 28), seed=seed, neat=False)
    drawn = np.empty((CONTROL_IMAGES, 1, 28, 28), np.uint8)
    networks.render(drawn)
    grays = np.arange(1, 256, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
    return {
        "black": np.zeros((1, *shape), np.uint8),
        "one gray all over": np.broadcast_to(grays, (255, *shape)).copy(),
        "uniform noise": random.integers(0, 256, (CONTROL_IMAGES, *shape), dtype=np.uint8),
        "random CPPNs": drawn,
        "digits, inverted": 255 - chosen,
        "digits, a quarter turn": np.ascontiguousarray(np.rot90(chosen, axes=(2, 3))),
        "digits, pixels shuffled": random.permuted(chosen.reshape(len(chosen), -1), axis=1).reshape(chosen.shape),
    }


def run_images(run: RunFolder) -> tuple[Images, NDArray[np.int64]]:
    """A run's images, uint8 (N, 1, 28, 28), and the digit each was evolved for, int64 (N,).

    Raises:
        RunError: The run is not of ten digits, or has no images yet.
    """
    if run.manifest.image_shape != (1, 28, 28) or len(run.manifest.class_names) != 10:
        raise RunError(f"{run.path} is not a run on MNIST digits; pass runs of evolve against lenet-mnist or its like.")
    elites = run.elites()
    if not elites:
        raise RunError(f"{run.path} has no images yet; let it reach its first checkpoint.")
    pictures = np.stack([run.image(elite.class_index)[np.newaxis] for elite in elites])
    return pictures, np.array([elite.class_index for elite in elites], np.int64)


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
