"""Is the classifier fed right? Accuracy and calibration on real images, and what other ways of feeding it would give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.errors import ConfigError, DataError, ModelError
from neatfool.experiments.audit.orders import ClassOrder, class_orders, fitted_order
from neatfool.experiments.audit.ways import Way, double_ways, single_ways
from neatfool.runs import StopRequestedError
from neatfool.shared.progress import OnProgress, Progress, Stop, never, silent
from neatfool.shared.text import percent

MOST_TRIED = 200
"""Images that another preprocessing is tried on."""

FIRST_TRIED = 50
"""Images after which a preprocessing that is not ahead is given up."""

P_VALUE, GAIN = 1e-3, 0.03
"""What makes a trial better: McNemar's exact test, and how much higher accuracy is."""

TELLS_APART = 0.5
"""Share of the possible information in its answers above which a network tells images apart. Networks that were fed right
had 0.79 and more of it, networks at chance for what they were fed at most 0.2 (see docs/audit.md)."""

BINS = 15
"""Bins of the expected calibration error."""


@dataclass(frozen=True)
class FeedingTrial:
    """Another way to feed the classifier, or to number its classes.

    Attributes:
        name: what it is called.
        change: what is different in it, in words.
        images: number of images it was tried on.
        top1: share of them whose class is the most likely one.
        before: the same share of the same images, fed as they are now.
        mean_confidence: mean over them of the highest confidence.
        better: whether it is better beyond doubt.
    """

    name: str
    change: str
    images: int
    top1: float
    before: float
    mean_confidence: float
    better: bool


@dataclass(frozen=True)
class Feeding:
    """Whether a classifier is fed right.

    Attributes:
        images: number of real images.
        top1: share whose class is the most likely one.
        top5: share whose class is among the five most likely ones.
        mean_confidence: mean of the highest confidence.
        ece: expected calibration error, 15 bins of equal width, in [0, 1].
        suspicion: a sentence that says what is probably wrong and how to mend it; None if nothing seems wrong.
        trials: what else was tried.
    """

    images: int
    top1: float
    top5: float
    mean_confidence: float
    ece: float
    suspicion: str | None
    trials: tuple[FeedingTrial, ...]

    def summary(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {**asdict(self), "trials": [asdict(trial) for trial in self.trials]}


def examine_feeding(
    classifier: Classifier,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Feeding:
    """Measures accuracy and calibration, and looks for mistakes in preprocessing and in the order of the classes.

    Other ranges of pixels, the channels reversed, gray images inverted and images transposed are tried on the same 50 to
    200 images, by torch in float32; other orders of the classes on all. What is significantly better (McNemar's exact test)
    raises the suspicion, and so does an accuracy no better than chance, or below half of the mean confidence.

    Args:
        classifier: what is fed; it is left as it is.
        images: uint8 (N, channels, *image_size).
        labels: the class of each, int64 (N,).
        progress: told of the images shown to the classifier.
        stop: asked before every few images.

    Raises:
        ConfigError: torchmetrics is not installed.
        DataError: there are no images.
        JudgeError: the classifier fails, fed as it is.
        StopRequestedError: `stop` said so.
        ValueError: images or labels have another shape or type.
    """
    if not len(images):
        raise DataError("There are no real images to feed the classifier with; give a folder that holds some.")
    if labels.shape != (len(images),) or not ((labels >= 0) & (labels < classifier.n_classes)).all():
        raise ValueError(f"labels must be {len(images)} classes below {classifier.n_classes}, one for each image.")
    ways = list(single_ways(classifier))
    show = _Show(len(images) + FIRST_TRIED * len(ways), progress or silent, stop or never)
    given = show(classifier, images)
    chosen = np.random.default_rng(0).permutation(len(images))[:MOST_TRIED]
    bench = _Bench(classifier, show, images[chosen], labels[chosen], given[chosen])
    results = [result for way in ways if (result := bench.tried(way))]
    orders = [result for order in _orders(classifier, given, labels) if (result := _reordered(order, given, labels))]
    right = given.argmax(1) == labels
    top1, sure = float(right.mean()), float(given.max(1).mean(dtype=np.float64))
    doubts = _Doubts.of(right, sure, classifier.n_classes)
    if doubts.chance or any(result.trial.better for result in results):
        results += [result for way in double_ways(classifier) if (result := bench.tried(way))]
    best = _best([*results, *orders])
    best_five = np.argsort(-given, axis=1, kind="stable")[:, :5]
    show.finish()
    return Feeding(
        images=len(images),
        top1=top1,
        top5=float((best_five == labels[:, np.newaxis]).any(1).mean()),
        mean_confidence=sure,
        ece=_calibration_error(given, labels),
        suspicion=_suspicion(given, labels, doubts, best, _information(given[chosen])),
        trials=tuple(result.trial for result in (*results, *orders)),
    )


class _Result(NamedTuple):
    trial: FeedingTrial
    cause: str
    mending: str
    loss: float


class _Show:
    """Shows images to classifiers, a few at a time."""

    def __init__(self, total: int, progress: OnProgress, stop: Stop) -> None:
        self.done, self.total = 0, total
        self.progress, self.stop = progress, stop

    def __call__(self, classifier: Classifier, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = max(classifier.chunk, 64 // classifier.chunk * classifier.chunk)
        parts = []
        for start in range(0, len(images), size):
            if self.stop():
                raise StopRequestedError
            part = images[start : start + size]
            parts.append(classifier.confidences(part))
            self._tell(self.done + len(part))
        return np.concatenate(parts)

    def finish(self) -> None:
        self._tell(self.total)

    def _tell(self, done: int) -> None:
        # How many images the trials take shows while they are done.
        self.done, self.total = done, max(done, self.total)
        task = "checking how the classifier is fed"
        self.progress(Progress(task=task, unit="images", done=self.done, total=self.total))


class _Bench:
    """Where other ways are compared with the classifier's own, image by image."""

    def __init__(
        self,
        classifier: Classifier,
        show: _Show,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        given: NDArray[np.float32],
    ) -> None:
        self.classifier, self.show, self.images, self.labels = classifier, show, images, labels
        self.before = given.argmax(1) == labels
        self.lead = 0

    def tried(self, way: Way) -> _Result | None:
        """The way on the first images, and on all if it is ahead there; None if the network cannot be fed so."""
        ours = self.classifier
        settings = {**ours.preprocessing(), **way.settings}
        images, labels = np.ascontiguousarray(way.turn(self.images)), self.labels
        try:
            other = Classifier(
                ours.module,
                **settings,
                class_names=ours.class_names,
                device=ours.device,
                name=ours.name,
                chunk=ours.chunk,
            )
            seen = self.show(other, images[:FIRST_TRIED])
            ahead = self._hits(seen) - int(self.before[:FIRST_TRIED].sum())
            # Two images behind the best so far may be chance.
            if ahead > 0 and ahead >= self.lead - 2 and len(images) > FIRST_TRIED:
                seen = np.concatenate([seen, self.show(other, images[FIRST_TRIED:])])
        except ModelError:
            return None
        self.lead = max(self.lead, ahead)
        return _compared(
            way.name, way.change, way.cause, way.mending, seen, labels[: len(seen)], self.before[: len(seen)]
        )

    def _hits(self, seen: NDArray[np.float32]) -> int:
        return int((seen.argmax(1) == self.labels[: len(seen)]).sum())


def _orders(
    classifier: Classifier, given: NDArray[np.float32], labels: NDArray[np.int64]
) -> Iterator[tuple[ClassOrder, NDArray[np.intp]]]:
    """Other orders of the classes, and the images by which to judge each."""
    everything = np.arange(len(labels))
    for order in class_orders(classifier.class_names):
        yield order, everything
    fitted = fitted_order(given, labels)
    if fitted:
        yield fitted


def _reordered(
    one: tuple[ClassOrder, NDArray[np.intp]], given: NDArray[np.float32], labels: NDArray[np.int64]
) -> _Result:
    order, judged = one
    right = given[judged].argmax(1) == labels[judged]
    return _compared(
        order.name,
        order.change,
        "the class names, or the folders of the images, are probably in another order than the outputs of the network",
        order.mending,
        given[judged],
        order.outputs[labels[judged]],
        right,
    )


def _compared(
    name: str,
    change: str,
    cause: str,
    mending: str,
    seen: NDArray[np.float32],
    labels: NDArray[np.int64],
    before: NDArray[np.bool_],
) -> _Result:
    from scipy.stats import binomtest

    after = seen.argmax(1) == labels
    won, lost = int((after & ~before).sum()), int((before & ~after).sum())
    # McNemar (1947), exact: of the images that only one of them gets right, each has half by chance.
    better = won - lost >= GAIN * len(after) and binomtest(won, won + lost).pvalue < P_VALUE
    trial = FeedingTrial(
        name=name,
        change=change,
        images=len(after),
        top1=float(after.mean()),
        before=float(before.mean()),
        mean_confidence=float(seen.max(1).mean(dtype=np.float64)),
        better=bool(better),
    )
    of_label = seen[np.arange(len(labels)), labels].astype(np.float64)
    return _Result(trial, cause, mending, float(-np.log(np.maximum(of_label, 1e-12)).mean()))


def _best(results: list[_Result]) -> _Result | None:
    """The best of those that are better beyond doubt: of equally accurate ones, the one whose confidences fit best."""
    better = [result for result in results if result.trial.better]
    if not better:
        return None
    highest = max(result.trial.top1 for result in better)
    return min((result for result in better if result.trial.top1 > highest - GAIN), key=lambda result: result.loss)


class _Doubts(NamedTuple):
    """What is strange about an accuracy by itself."""

    chance: bool
    too_sure: bool

    @classmethod
    def of(cls, right: NDArray[np.bool_], sure: float, n_classes: int) -> _Doubts:
        from scipy.stats import binomtest

        hits, count, chance = int(right.sum()), len(right), 1 / n_classes

        def below(share: float) -> bool:
            return bool(binomtest(hits, count, share, alternative="less").pvalue < P_VALUE)

        no_better = binomtest(hits, count, chance, alternative="greater").pvalue > P_VALUE
        # Of a few images all may be wrong though half of all are right.
        return cls(bool(no_better) and below((1 + chance) / 2), below(sure / 2))


def _suspicion(
    given: NDArray[np.float32],
    labels: NDArray[np.int64],
    doubts: _Doubts,
    best: _Result | None,
    information: float,
) -> str | None:
    top1 = percent(float((given.argmax(1) == labels).mean()))
    sure = percent(float(given.max(1).mean(dtype=np.float64)))
    accuracy = f"Accuracy is {top1}, as good as chance" if doubts.chance else f"Accuracy is {top1}"
    if best:
        trial = best.trial
        return (
            f"{accuracy}. With {trial.name} it is {percent(trial.top1)} on {trial.images} images, instead of "
            f"{percent(trial.before)}: {best.cause}; {best.mending}."
        )
    if doubts.chance and information > TELLS_APART:
        few = "" if fitted_order(given, labels) else "; two images of each class are needed to find it out"
        return (
            f"{accuracy}, and neither another range of pixels nor another order of channels raises it; but the network "
            f"tells the images apart (mean confidence {sure}, {len(np.unique(given.argmax(1)))} different answers to "
            f"{len(given)} images), so most likely it is fed right, and its classes are others than the class names say, or "
            f"in another order{few}. Check class_names, and the folders' names, against the list the network was trained with."
        )
    if doubts.chance:
        return (
            f"{accuracy}, and none of the usual ranges, means and stds, orders of channels and orders of classes raises it; "
            "its answers hardly depend on the image. Check its weights, and how images were prepared in its training."
        )
    if doubts.too_sure:
        return (
            f"{accuracy}, but mean confidence is {sure}, and none of the usual ranges, means and stds, orders of channels and "
            "orders of classes raises accuracy. Check labels and class names, and that it was trained on such images."
        )
    return None


def _information(confidences: NDArray[np.float32]) -> float:
    """How much answers tell about which image was shown, as a share of the most possible, in [0, 1].

    That is the mutual information of image and class, H(mean p) - mean H(p), on which the Inception score rests (Salimans et
    al. 2016); it needs no labels.
    """
    p = confidences.astype(np.float64)
    most = math.log(min(p.shape))
    return float((_entropy(p.mean(0)) - _entropy(p).mean()) / most) if most else 0.0


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    entropy: NDArray[np.float64] = -(p * np.log(np.maximum(p, 1e-300))).sum(-1)
    return entropy


def _calibration_error(confidences: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    try:
        from torchmetrics.functional.classification import multiclass_calibration_error
    except ImportError as error:
        raise ConfigError(
            "The calibration error needs torchmetrics, which is not installed; run pip install 'neatfool[audit]'."
        ) from error
    p = torch.from_numpy(confidences.clip(0, 1))
    return float(multiclass_calibration_error(p, torch.from_numpy(labels), p.shape[1], n_bins=BINS, norm="l1"))
