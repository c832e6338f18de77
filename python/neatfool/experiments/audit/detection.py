"""What would catch fooling images: detectors of the literature, measured against the real images of a user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from neatfool.classifiers import Classifier
from neatfool.classifiers.layers import last_layer
from neatfool.errors import ConfigError, DataError
from neatfool.runs import StopRequestedError
from neatfool.shared.progress import OnProgress, Progress, Stop, never, silent

REJECTED_REAL = 0.01
"""Share of the real images that a threshold may cost."""

FEWEST_REAL = 20
"""With fewer real images there is nothing to measure."""

ODIN_STEP = 0.0014 * 255
"""ODIN's step in pixels of 0 to 255, before normalisation: the default of pytorch-ood, which is in shares of that range."""

NEIGHBOUR = 5
"""Which nearest neighbour's distance KNN takes."""

_FOLDS = 5
_MISSING = "Measuring detectors needs pytorch-ood and scikit-learn, which are not installed; run pip install 'neatfool[audit]'."


@dataclass(frozen=True)
class AttackDetection:
    """How well one detector catches the images of one attack.

    Attributes:
        auroc: how often a fooling image scores higher than a real one, in [0, 1]; ties count half.
        fpr95: share of real images that is rejected with the threshold that rejects 95 % of the fooling images.
        rejected: share of the fooling images above the detector's threshold.
        scores: of the fooling images in their order, float64 (M,).
    """

    auroc: float
    fpr95: float
    rejected: float
    scores: NDArray[np.float64]

    def summary(self) -> dict[str, float]:
        """Everything but the scores, ready for JSON."""
        return {"auroc": self.auroc, "fpr95": self.fpr95, "rejected": self.rejected}


@dataclass(frozen=True)
class DetectorResult:
    """What one detector makes of real and of fooling images. The higher its score, the more of a fooling image.

    Attributes:
        name: what the detector is called.
        threshold: the score above which an image is rejected: 1 % of the real images of the first half are.
        false_rejection: share of the real images of the second half that it rejects.
        overall: of the images of all attacks together.
        attacks: of those of each.
        real_scores: of the second half of the real images, float64 (N,).
    """

    name: str
    threshold: float
    false_rejection: float
    overall: AttackDetection
    attacks: Mapping[str, AttackDetection]
    real_scores: NDArray[np.float64]

    def summary(self) -> dict[str, Any]:
        """Everything but the scores, ready for JSON."""
        return {
            "name": self.name,
            **self.overall.summary(),
            "threshold": self.threshold,
            "false_rejection": self.false_rejection,
            "attacks": {name: attack.summary() for name, attack in self.attacks.items()},
        }


@dataclass(frozen=True)
class Detection:
    """What would catch the images that fool a classifier.

    Attributes:
        fitted: number of real images that temperature, features and thresholds are fitted on.
        measured: number of the others, which the figures are of.
        temperature: what logits are divided by where a detector's name ends in "(T)", after Guo et al. (2017).
        detectors: in a fixed order.
        skipped: the detectors that this classifier cannot have, and why.
    """

    fitted: int
    measured: int
    temperature: float
    detectors: tuple[DetectorResult, ...]
    skipped: Mapping[str, str]

    def summary(self) -> dict[str, Any]:
        """Everything but the scores, ready for JSON."""
        return {
            "fitted": self.fitted,
            "measured": self.measured,
            "temperature": self.temperature,
            "detectors": [detector.summary() for detector in self.detectors],
            "skipped": dict(self.skipped),
        }


def measure_detectors(
    classifier: Classifier,
    real: NDArray[np.uint8],
    labels: NDArray[np.int64],
    fooling: Mapping[str, NDArray[np.uint8]],
    *,
    seed: int = 0,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Detection:
    """Measures which out-of-distribution detectors of pytorch-ood tell fooling images from real ones.

    The real images are split in two at random. On the first half temperature, features and thresholds are fitted; the
    figures are of the second half. In all of them a fooling image is the positive. Detectors see the centre crop alone,
    and are calculated by torch in float32 whatever the classifier's backend.

    Args:
        classifier: whose images they are.
        real: uint8 (N, channels, *image_size), N at least 20.
        labels: the class of each, int64 (N,).
        fooling: the images of each attack, uint8 (M, channels, *image_size); attacks without any are left out.
        seed: how the real images are split.
        progress: told of the images looked at.
        stop: asked before every chunk of images.

    Raises:
        ConfigError: pytorch-ood or scikit-learn is not installed.
        DataError: there are too few real images, or no fooling ones.
        JudgeError: the classifier fails.
        StopRequestedError: `stop` said so.
        ValueError: images or labels have another shape or type.
    """
    require_detectors()
    attacks = {name: images for name, images in fooling.items() if len(images)}
    for images in (real, *attacks.values()):
        if images.dtype != np.uint8 or images.shape[1:] != classifier.image_shape:
            raise ValueError(f"images must be uint8 (N, *{classifier.image_shape}), not {images.dtype} {images.shape}.")
    if labels.shape != (len(real),) or not ((labels >= 0) & (labels < classifier.n_classes)).all():
        raise ValueError(f"labels must be {len(real)} classes below {classifier.n_classes}, one for each real image.")
    if len(real) < FEWEST_REAL:
        raise DataError(f"Detectors are measured on at least {FEWEST_REAL} real images, not {len(real)}; give more.")
    if not attacks:
        raise DataError("There are no fooling images to measure detectors on; let an attack find some first.")
    order = np.random.default_rng(seed).permutation(len(real))
    fit, rest = np.sort(order[: len(real) // 2]), np.sort(order[len(real) // 2 :])
    look = _Looker(classifier, len(real) + sum(map(len, attacks.values())), progress or silent, stop or never)
    whole = look(real)
    fitting, measuring = whole.at(fit), whole.at(rest)
    shown = {name: look(images) for name, images in attacks.items()}
    temperature = _temperature(fitting.logits, torch.from_numpy(labels[fit]))
    skipped = _impossible(classifier, fitting, look)
    found = []
    for name, detector in _detectors(classifier, temperature, len(fit)).items():
        if name in skipped:
            continue
        scores = [_held_out(detector, fitting), *(detector(fitting, view) for view in (measuring, *shown.values()))]
        if not all(np.isfinite(values).all() for values in scores):
            skipped[name] = "its scores are infinite or undefined"
            continue
        found.append(_result(name, scores[0], scores[1], dict(zip(shown, scores[2:], strict=True))))
    return Detection(len(fit), len(rest), temperature, tuple(found), skipped)


class _View(NamedTuple):
    """What a classifier makes of N images: logits (N, classes), features (N, F) and ODIN's scores (N,) where it has any."""

    logits: Tensor
    features: Tensor | None
    odin: Tensor | None

    def at(self, index: NDArray[np.int64]) -> _View:
        chosen = torch.from_numpy(index)
        return _View(*(None if values is None else values[chosen] for values in self))  # type: ignore[arg-type]


_Detector = Callable[[_View, _View], NDArray[np.float64]]
"""The scores of the second images, by what is fitted on the first."""


class _Looker:
    """Shows images to a classifier, chunk by chunk."""

    def __init__(self, classifier: Classifier, total: int, progress: OnProgress, stop: Stop) -> None:
        from pytorch_ood.detector import ODIN

        self.classifier = classifier
        self.total, self.done = total, 0
        self.progress, self.stop = progress, stop
        self.has_features = last_layer(classifier.module, classifier.n_classes) is not None
        gray = torch.full((1, *classifier.image_shape), 128.0, requires_grad=True)
        with torch.enable_grad():
            self.has_gradient = classifier.logits(gray).requires_grad
        self.odin = ODIN(classifier.logits, eps=ODIN_STEP)

    def __call__(self, images: NDArray[np.uint8]) -> _View:
        size = self.classifier.chunk
        parts = []
        for start in range(0, len(images), size):
            if self.stop():
                raise StopRequestedError
            part = images[start : start + size]
            parts.append(self._chunk(part))
            self.done += len(part)
            self.progress(Progress(task="measuring detectors", unit="images", done=self.done, total=self.total))
        columns = zip(*parts, strict=True)
        return _View(*(None if column[0] is None else torch.cat(column) for column in columns))  # type: ignore[arg-type]

    def _chunk(self, images: NDArray[np.uint8]) -> _View:
        # Filled up, so that the network sees batches of one size only.
        count = len(images)
        pixels = pad(torch.tensor(images), (0, 0) * 3 + (0, self.classifier.chunk - count)).float()
        with torch.no_grad():
            logits = self.classifier.logits(pixels).float().cpu()[:count]
        features = torch.from_numpy(self.classifier.features(images)) if self.has_features else None
        odin = self.odin.predict(pixels).float().cpu()[:count] if self.has_gradient else None
        return _View(logits, features, odin)


def _temperature(logits: Tensor, labels: Tensor) -> float:
    from pytorch_ood.utils import temperature_calibration

    with torch.enable_grad():
        return float(temperature_calibration(logits, labels))


def _detectors(classifier: Classifier, temperature: float, fitted: int) -> dict[str, _Detector]:
    from pytorch_ood.detector import KNN, EnergyBased, Entropy, MaxLogit, MaxSoftmax, ViM

    def logits(detector: Any, divisor: float = 1.0) -> _Detector:
        return lambda _fit, view: _numbers(detector.predict_logits(view.logits / divisor))

    def features(make: Callable[[], Any]) -> _Detector:
        def score(fit: _View, view: _View) -> NDArray[np.float64]:
            detector = make().fit_features(fit.features, torch.zeros(len(fit.logits), dtype=torch.int64))
            return _numbers(detector.predict_features(view.features))

        return score

    def vim() -> Any:
        weight, bias = _last_weights(classifier)
        return ViM(None, d=_principal(weight.shape[1], fitted), w=weight, b=bias)

    return {
        "max softmax": logits(MaxSoftmax(None)),
        "max softmax (T)": logits(MaxSoftmax(None, t=temperature)),
        "entropy": logits(Entropy(None)),
        "entropy (T)": logits(Entropy(None), temperature),
        "max logit": logits(MaxLogit(None)),
        "energy": logits(EnergyBased(None)),
        "energy (T)": logits(EnergyBased(None, t=temperature)),
        "ODIN": lambda _fit, view: _numbers(view.odin),
        "KNN": features(lambda: KNN(None, k=NEIGHBOUR)),
        "ViM": features(vim),
    }


def _impossible(classifier: Classifier, view: _View, look: _Looker) -> dict[str, str]:
    """The detectors that a classifier cannot have, and why."""
    skipped: dict[str, str] = {}
    if "probabilit" in classifier.outputs:
        why = "the classifier returns probabilities, from which its logits cannot be told"
        skipped |= dict.fromkeys(("max logit", "energy", "energy (T)", "ViM"), why)
    if not look.has_gradient:
        skipped["ODIN"] = "the classifier has no gradient"
    if view.features is None:
        why = "the classifier has no last linear layer whose inputs could be taken for features"
        skipped |= dict.fromkeys(("KNN", "ViM"), why)
    elif "ViM" not in skipped:
        weight, bias = _last_weights(classifier)
        # As it is not where an activation follows the last layer.
        distance = (view.features @ weight.T + bias - view.logits).abs().max()
        if distance > 1e-3 * view.logits.abs().max():
            skipped["ViM"] = "the classifier's logits are no linear function of its features"
    return skipped


def _last_weights(classifier: Classifier) -> tuple[Tensor, Tensor]:
    """Weights (classes, F) and biases (classes,) of a last layer that is there."""
    _, layer = cast(tuple[str, nn.Linear | nn.Conv2d], last_layer(classifier.module, classifier.n_classes))
    weight = layer.weight.detach().float().cpu().flatten(1)
    return weight, torch.zeros(len(weight)) if layer.bias is None else layer.bias.detach().float().cpu()


def _principal(width: int, fitted: int) -> int:
    """Dimensions of ViM's principal subspace: its authors' choice, but no more than the images fitted on can tell."""
    usual = 1000 if width >= 2048 else 512 if width >= 768 else width // 2
    return max(1, min(usual, fitted // 8))


def _held_out(detector: _Detector, fitting: _View) -> NDArray[np.float64]:
    """The scores of the images fitted on, each from a fit without it: an image is its own nearest neighbour."""
    fold = np.arange(len(fitting.logits)) % _FOLDS
    scores = np.empty(len(fold), np.float64)
    for one in range(_FOLDS):
        scores[fold == one] = detector(fitting.at(np.flatnonzero(fold != one)), fitting.at(np.flatnonzero(fold == one)))
    return scores


def _result(
    name: str, fit: NDArray[np.float64], real: NDArray[np.float64], attacks: Mapping[str, NDArray[np.float64]]
) -> DetectorResult:
    threshold = float(np.quantile(fit, 1 - REJECTED_REAL, method="inverted_cdf"))

    def caught(scores: NDArray[np.float64]) -> AttackDetection:
        return AttackDetection(*_separation(real, scores), float((scores > threshold).mean()), scores)

    return DetectorResult(
        name=name,
        threshold=threshold,
        false_rejection=float((real > threshold).mean()),
        overall=caught(np.concatenate(list(attacks.values()))),
        attacks={attack: caught(scores) for attack, scores in attacks.items()},
        real_scores=real,
    )


def _separation(real: NDArray[np.float64], fooling: NDArray[np.float64]) -> tuple[float, float]:
    """AUROC and the false positive rate at 95 % true positives."""
    from pytorch_ood.metrics import AUROC, FPRAtTPR

    scores = torch.from_numpy(np.concatenate([real, fooling]))
    labels = torch.cat([torch.zeros(len(real)), -torch.ones(len(fooling))])  # below 0: not from the distribution
    auroc, fpr = (metric.update(scores, labels).compute() for metric in (AUROC(), FPRAtTPR(0.95)))
    return float(auroc["AUROC"]), float(fpr["FPR95TPR"])


def _numbers(scores: Any) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = scores.detach().double().cpu().numpy()
    return numbers


def require_detectors() -> None:
    """Raises ConfigError where pytorch-ood or scikit-learn is not installed."""
    try:
        import pytorch_ood  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ConfigError(_MISSING) from error
