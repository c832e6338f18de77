"""How often a classifier is right: the check that its preprocessing and weights fit together."""

import os
from typing import NamedTuple

import numpy as np

from neatfool.classifiers import Classifier
from neatfool.data import LabelledImages, batches, open_dataset
from neatfool.shared.progress import OnProgress, Progress, silent


class Accuracy(NamedTuple):
    """Number of images, and the fractions whose class is the most likely one, and among the five most likely."""

    images: int
    top1: float
    top5: float


def accuracy(
    classifier: Classifier,
    dataset: str | os.PathLike[str] | LabelledImages,
    *,
    progress: OnProgress | None = None,
) -> Accuracy:
    """Measures accuracy on labelled images.

    Args:
        classifier: What to measure.
        dataset: A folder that `open_dataset` can open, or an opened data set.
        progress: Told how many images are done.

    Raises:
        DataError: The data set cannot be read or does not fit.
    """
    data = open_dataset(dataset, classifier) if isinstance(dataset, str | os.PathLike) else dataset
    top1 = top5 = done = 0
    tell = progress or silent
    for images, labels in batches(data, max(classifier.chunk, 64 // classifier.chunk * classifier.chunk)):
        confidences = classifier.confidences(images)
        best = np.argsort(-confidences, axis=1, kind="stable")[:, :5]
        hits = best == labels[:, np.newaxis]
        top1 += int(hits[:, 0].sum())
        top5 += int(hits.any(1).sum())
        done += len(images)
        tell(Progress(task=f"asking {classifier.name}", unit="images", done=done, total=len(data)))
    return Accuracy(len(data), top1 / len(data), top5 / len(data))
