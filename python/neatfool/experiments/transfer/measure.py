"""Transfer: do images evolved to fool one classifier fool others too? (Nguyen, Yosinski & Clune 2015, section 3.4)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.classifiers.identity import same_classifier
from neatfool.errors import ModelError
from neatfool.experiments.transfer.images import FoolingImages, fit_images, read_fooling_images
from neatfool.experiments.transfer.result import TransferMatrix, TransferResult
from neatfool.models import as_classifier
from neatfool.runs import RunFolder, StopRequestedError
from neatfool.search import Run
from neatfool.shared.progress import OnProgress, Progress, Stop, part, silent

log = logging.getLogger(__name__)

Source = Run | RunFolder | FoolingImages | Path | str
"""Where images come from."""

_AT_ONCE = 200


def transfer_images(
    images: NDArray[np.uint8],
    source_classes: NDArray[np.int64],
    targets: Sequence[Classifier],
    *,
    class_names: Sequence[str] | None = None,
    source: Classifier | None = None,
    source_confidence: NDArray[np.float32] | None = None,
    name: str = "images",
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> TransferResult:
    """Shows images to other classifiers than the one they were evolved for.

    Images of another size than a target's are resampled whole. See `map_classes` for which classes are the same.

    Args:
        images: uint8 (N, channels, height, width).
        source_classes: class each was evolved for, shape (N,).
        targets: the other classifiers.
        class_names: names of all classes by index; the source's, else the first target's, if None.
        source: the classifier they were evolved for, to measure agreement with it.
        source_confidence: its confidence in the class of each image, (N,); measured if None and `source` is given.
        name: what to call the images.
        progress: told about every few hundred images.
        stop: asked between images; True ends there.

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
    if classes.min() < 0 or classes.max() >= len(names):
        index = int(classes[(classes < 0) | (classes >= len(names))][0])
        raise ModelError(f"There is no class {index} among the {len(names)} classes the images were evolved for.")
    maps = [map_classes(names, target) for target in targets]
    _check_classes(classes, names, targets, maps)
    for target in targets:
        fit_images(images[:1], target)
    itself = tuple(source is not None and same_classifier(target, source) for target in targets)
    count = (source is not None) + itself.count(False)
    told = iter([part(progress or silent, at / count, (at + 1) / count) for at in range(count)])
    scores: NDArray[np.float32] = np.empty((0, 0), np.float32)
    if source is not None:
        scores = _scores(images, source, name, next(told), stop)
        if source_confidence is None:
            source_confidence = scores[np.arange(len(images)), classes]
    judged = [
        scores if own else _scores(images, target, name, next(told), stop)
        for target, own in zip(targets, itself, strict=True)
    ]
    top1 = np.stack([one.argmax(1) for one in judged])
    wanted = np.stack([mapped[classes] for mapped in maps])
    source_top1 = None
    if source is not None:
        # The source may have a class more than the images, that of fooling images, which no target has.
        best = scores.argmax(1)
        source_top1 = np.stack([np.append(mapped, -1)[np.minimum(best, len(names))] for mapped in maps])
    return TransferResult(
        name=name,
        source=source.name if source else None,
        targets=_labels(targets),
        models=tuple(target.name for target in targets),
        weights=tuple(target.weights for target in targets),
        itself=itself,
        classes=classes,
        class_names=tuple(names[index] for index in classes),
        target_classes=wanted,
        images=images,
        source_confidence=source_confidence,
        source_top1=source_top1,
        confidence=np.stack([one[np.arange(len(images)), own] for one, own in zip(judged, wanted, strict=True)]),
        top1=top1,
        top1_names=tuple(
            tuple(target.class_names[index] for index in row) for target, row in zip(targets, top1, strict=True)
        ),
        top1_confidence=np.stack([one.max(1) for one in judged]),
    )


def transfer(
    source: Source | Sequence[Source],
    to: Classifier | str | Sequence[Classifier | str],
    *,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> TransferMatrix:
    """Shows the images of one run or several to one classifier or several.

    Args:
        source: a run, its folder, or a plain folder of pictures (see `read_fooling_images`), or several of these.
        to: a classifier or its name, or several of these.
        progress: told about every few hundred images.
        stop: asked between images; True ends there.

    Raises:
        DataError: a folder holds no pictures, or one that cannot be used.
        ModelError: a classifier cannot be loaded, takes another kind of images or does not know one of the classes.
        RunError: a run is damaged.
        StopRequestedError: `stop` said so.
        ValueError: there are no runs or no classifiers.
    """
    sources = [source] if isinstance(source, str | Path | RunFolder | Run | FoolingImages) else list(source)
    targets = [as_classifier(one) for one in ([to] if isinstance(to, str | Classifier) else to)]
    if not sources or not targets:
        raise ValueError("transfer needs at least one run and one classifier.")
    results = []
    for at, one in enumerate(sources):
        images = one if isinstance(one, FoolingImages) else read_fooling_images(one, targets[0].class_names)
        result = transfer_images(
            images.images,
            images.classes,
            targets,
            class_names=images.class_names,
            source=images.source,
            source_confidence=images.confidence,
            name=images.name,
            progress=part(progress or silent, at / len(sources), (at + 1) / len(sources)),
            stop=stop,
        )
        results.append(replace(result, source=images.model))
    return TransferMatrix(tuple(results))


def _scores(
    images: NDArray[np.uint8], classifier: Classifier, name: str, progress: OnProgress, stop: Stop | None
) -> NDArray[np.float32]:
    parts = []
    step = max(1, _AT_ONCE // classifier.chunk) * classifier.chunk
    for start in range(0, len(images), step):
        if stop and stop():
            raise StopRequestedError
        parts.append(classifier.confidences(fit_images(images[start : start + step], classifier)))
        done = min(start + step, len(images))
        progress(Progress(task=f"{name} on {classifier.name}", unit="images", done=done, total=len(images)))
    return np.concatenate(parts)


def map_classes(names: Sequence[str], target: Classifier) -> NDArray[np.int64]:
    """For every class of some names the target's class that is the same one, -1 where it has none; shape (classes,), int64.

    The same name, wherever it stands, is the same class. Of two lists of equal length so is the same index, where the
    target's name for it is none of the others; and an index is a name for itself.
    """
    known = {name: index for index, name in enumerate(target.class_names)}
    others = set(names)
    mapped = np.full(len(names), -1, np.int64)
    renamed = []
    for index, name in enumerate(names):
        there = target.class_names[index] if index < target.n_classes else None
        unnamed = str(index) in (name, there)
        if there is not None and (there == name or unnamed):
            mapped[index] = index
        elif name in known:
            mapped[index] = known[name]
        elif there is not None and len(names) == target.n_classes and there not in others:
            mapped[index] = index
            renamed.append(f"{there!r} for {name!r}")
    if renamed:
        log.warning(
            "%s has other names for %d classes, which are taken for the same: %s.",
            target.name,
            len(renamed),
            ", ".join(renamed[:3]) + (f", and {len(renamed) - 3} more" if len(renamed) > 3 else ""),
        )
    return mapped


def _check_classes(
    classes: NDArray[np.int64], names: Sequence[str], targets: Sequence[Classifier], maps: Sequence[NDArray[np.int64]]
) -> None:
    for target, mapped in zip(targets, maps, strict=True):
        for index in np.unique(classes).tolist():
            if mapped[index] < 0:
                raise ModelError(
                    f"{target.name} with {target.n_classes} classes does not know class {index}, {names[index]}, by that "
                    "index and name; choose a classifier of the same classes."
                )


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
