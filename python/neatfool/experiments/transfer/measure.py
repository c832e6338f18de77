"""Transfer: do images evolved to fool one classifier fool others too? (Nguyen, Yosinski & Clune 2015, section 3.4)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier, same_classifier
from neatfool.errors import ModelError
from neatfool.experiments.transfer.images import FoolingImages, fit_images

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the images done and the images in all."""

_AT_ONCE = 200


@dataclass(frozen=True)
class TransferResult:
    """What T classifiers make of N images that were evolved for another one.

    Attributes:
        name: what the images are called.
        source: name of the classifier they were evolved for, or None.
        targets: what the classifiers are called; their weights file is added where two share a name.
        models: names of the classifiers.
        weights: their weights, as `load_classifier` takes them.
        itself: whether each target is the classifier the images were evolved for.
        classes: class each image was evolved for, int64 (N,).
        class_names: its name.
        images: the images as they were evolved, uint8 (N, channels, height, width).
        source_confidence: the source's confidence in that class, float32 (N,), or None.
        source_top1: the source's most likely class, int64 (N,), or None.
        confidence: each target's confidence in that class, float32 (T, N).
        top1: each target's most likely class, int64 (T, N).
        top1_names: its name.
        top1_confidence: each target's confidence in its most likely class, float32 (T, N).
    """

    name: str
    source: str | None
    targets: tuple[str, ...]
    models: tuple[str, ...]
    weights: tuple[str | None, ...]
    itself: tuple[bool, ...]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    images: NDArray[np.uint8]
    source_confidence: NDArray[np.float32] | None
    source_top1: NDArray[np.int64] | None
    confidence: NDArray[np.float32]
    top1: NDArray[np.int64]
    top1_names: tuple[tuple[str, ...], ...]
    top1_confidence: NDArray[np.float32]

    @property
    def same_class(self) -> NDArray[np.bool_]:
        """Whether the class an image was evolved for is the target's most likely one, shape (T, N)."""
        return np.equal(self.top1, self.classes)

    def figures(self, target: int, chosen: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """How well the images fool one target, as fractions of 1; of the `chosen` images only, if given.

        `agreement` is the fraction of images with the same most likely class as the source's, None if that is unknown.
        `confident` are the same figures for the images in whose class the source is at least 99 % confident.
        """
        picked = np.ones(len(self.classes), bool) if chosen is None else chosen
        if not picked.any():
            return {"images": 0}
        confidence = self.confidence[target][picked].astype(np.float64)
        agreement = None if self.source_top1 is None else float((self.top1[target] == self.source_top1)[picked].mean())
        return {
            "images": int(picked.sum()),
            "same_class_rate": float(self.same_class[target][picked].mean()),
            "mean_confidence": float(confidence.mean()),
            "median_confidence": float(np.median(confidence)),
            "over_99_rate": float((confidence >= 0.99).mean()),
            "agreement": agreement,
        }

    def summary(self) -> dict[str, Any]:
        """Everything but the images, ready for JSON."""
        source = self.source_confidence
        confident = None if source is None else source >= 0.99
        return {
            "run": self.name,
            "model": self.source,
            "images": len(self.classes),
            "classes": len(set(self.classes.tolist())),
            "source_confidence": None
            if source is None
            else {"mean": float(source.mean(dtype=np.float64)), "median": float(np.median(source))},
            "targets": [
                {
                    "name": name,
                    "model": self.models[target],
                    "weights": self.weights[target],
                    "itself": self.itself[target],
                    **self.figures(target),
                    "confident": None if confident is None else self.figures(target, confident),
                }
                for target, name in enumerate(self.targets)
            ],
            "per_class": [self._class_summary(class_index) for class_index in np.unique(self.classes).tolist()],
        }

    def _class_summary(self, class_index: int) -> dict[str, Any]:
        chosen = self.classes == class_index
        first = int(np.flatnonzero(chosen)[0])
        source = self.source_confidence
        rows = []
        for target, name in enumerate(self.targets):
            top = Counter(np.array(self.top1_names[target])[chosen].tolist()).most_common(1)[0][0]
            rows.append({"name": name, "top1": top, **self.figures(target, chosen)})
        return {
            "class": class_index,
            "class_name": self.class_names[first],
            "images": int(chosen.sum()),
            "source_confidence": None if source is None else float(source[chosen].mean(dtype=np.float64)),
            "targets": rows,
        }


@dataclass(frozen=True)
class TransferMatrix:
    """Several sets of images on the same classifiers: one `TransferResult` for each set."""

    results: tuple[TransferResult, ...]

    def matrix(self, figure: str) -> NDArray[np.float64]:
        """One of `TransferResult.figures` for every set and classifier, (sets, classifiers); NaN where unknown."""
        rows = [[result.figures(target)[figure] for target in range(len(result.targets))] for result in self.results]
        return np.array(rows, np.float64)

    def summary(self) -> dict[str, Any]:
        """The summary of every set, ready for JSON; of a single set, that set's own."""
        if len(self.results) == 1:
            return self.results[0].summary()
        return {
            "targets": list(self.results[0].targets),
            "same_class_rate": self.matrix("same_class_rate").tolist(),
            "runs": [result.summary() for result in self.results],
        }


def transfer(
    images: NDArray[np.uint8],
    source_classes: NDArray[np.int64],
    targets: Sequence[Classifier],
    *,
    class_names: Sequence[str] | None = None,
    source: Classifier | None = None,
    source_confidence: NDArray[np.float32] | None = None,
    name: str = "images",
    progress: Progress | None = None,
) -> TransferResult:
    """Shows images to other classifiers than the one they were evolved for.

    Images of another size than a target's are resampled whole. A class is the same one in every classifier if it has
    the same index; a target with another number of classes must also call it the same.

    Args:
        images: uint8 (N, channels, height, width).
        source_classes: class each was evolved for, shape (N,).
        targets: the other classifiers.
        class_names: names of all classes by index; the source's, else the first target's, if None.
        source: the classifier they were evolved for, to measure agreement with it.
        source_confidence: its confidence in the class of each image, (N,); measured if None and `source` is given.
        name: what to call the images.
        progress: told about every few hundred images.

    Raises:
        ModelError: a target takes another kind of images or does not know one of the classes.
        ValueError: there are no images or targets, or shapes do not fit together.
    """
    classes = np.asarray(source_classes, np.int64)
    if images.ndim != 4 or images.dtype != np.uint8 or classes.shape != (len(images),) or not len(images):
        raise ValueError(
            f"images must be uint8 (N, channels, height, width) with a class each, N above 0, not {images.dtype} "
            f"{images.shape} with classes of shape {classes.shape}."
        )
    if not targets:
        raise ValueError("transfer needs at least one target.")
    names = tuple(class_names or (source or targets[0]).class_names)
    for target in targets:
        _check_classes(classes, names, target)
        fit_images(images[:1], target)
    source_top1 = None
    scores: NDArray[np.float32] = np.empty((0, 0), np.float32)
    if source is not None:
        scores = _scores(images, source, name, progress)
        source_top1 = scores.argmax(1)
        if source_confidence is None:
            source_confidence = scores[np.arange(len(images)), classes]
    itself = tuple(source is not None and same_classifier(target, source) for target in targets)
    judged = [
        scores if own else _scores(images, target, name, progress) for target, own in zip(targets, itself, strict=True)
    ]
    top1 = np.stack([one.argmax(1) for one in judged])
    return TransferResult(
        name=name,
        source=source.name if source else None,
        targets=_labels(targets),
        models=tuple(target.name for target in targets),
        weights=tuple(target.weights for target in targets),
        itself=itself,
        classes=classes,
        class_names=tuple(names[index] for index in classes),
        images=images,
        source_confidence=source_confidence,
        source_top1=source_top1,
        confidence=np.stack([one[np.arange(len(images)), classes] for one in judged]),
        top1=top1,
        top1_names=tuple(
            tuple(target.class_names[index] for index in row) for target, row in zip(targets, top1, strict=True)
        ),
        top1_confidence=np.stack([one.max(1) for one in judged]),
    )


def transfer_matrix(
    runs: Sequence[FoolingImages], classifiers: Sequence[Classifier], *, progress: Progress | None = None
) -> TransferMatrix:
    """Shows the images of every run to every classifier.

    Raises:
        ModelError: a classifier takes another kind of images or does not know one of the classes.
        ValueError: there are no runs or no classifiers.
    """
    if not runs:
        raise ValueError("transfer_matrix needs at least one run.")
    results = []
    for run in runs:
        result = transfer(
            run.images,
            run.classes,
            classifiers,
            class_names=run.class_names,
            source=run.source,
            source_confidence=run.confidence,
            name=run.name,
            progress=progress,
        )
        results.append(replace(result, source=run.model))
    return TransferMatrix(tuple(results))


def _scores(
    images: NDArray[np.uint8], classifier: Classifier, name: str, progress: Progress | None
) -> NDArray[np.float32]:
    parts = []
    step = max(1, _AT_ONCE // classifier.chunk) * classifier.chunk
    for start in range(0, len(images), step):
        parts.append(classifier.confidences(fit_images(images[start : start + step], classifier)))
        if progress:
            progress(f"{name} on {classifier.name}", min(start + step, len(images)), len(images))
    return np.concatenate(parts)


def _check_classes(classes: NDArray[np.int64], names: Sequence[str], target: Classifier) -> None:
    known = target.class_names
    for index in np.unique(classes).tolist():
        if not 0 <= index < len(names):
            raise ModelError(f"There is no class {index} among the {len(names)} classes the images were evolved for.")
        if index < len(known) and (known[index] == names[index] or str(index) in (known[index], names[index])):
            continue
        if len(known) != len(names):
            raise ModelError(
                f"{target.name} with {len(known)} classes does not know class {index}, {names[index]}, by that "
                "index and name; choose a classifier of the same classes."
            )
        log.warning(
            "%s calls class %d %r, the images' classifier %r; they are taken for the same class.",
            target.name,
            index,
            known[index],
            names[index],
        )
        return


def _labels(classifiers: Sequence[Classifier]) -> tuple[str, ...]:
    """Names that tell the classifiers apart."""
    shared = Counter(classifier.name for classifier in classifiers)
    seen: Counter[str] = Counter()
    labels = []
    for classifier in classifiers:
        file = Path(classifier.weights).stem if classifier.weights else "own weights"
        label = classifier.name if shared[classifier.name] == 1 else f"{classifier.name} ({file})"
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return tuple(labels)
