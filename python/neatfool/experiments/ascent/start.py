"""Where an ascent starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.data import fit_photograph
from neatfool.errors import DataError
from neatfool.experiments.ascent.settings import STARTS, AscentSettings
from neatfool.shared.pixels import as_pixels, open_picture


def mean_image(classifier: Classifier) -> NDArray[np.float32]:
    """The mean of the classifier's normalisation in every pixel, float32 (C, H, W) in [0, 255]."""
    mean = np.array(classifier.mean, np.float32) / np.float32(classifier.scale)
    if classifier.channel_order == "bgr":
        mean = mean[::-1]
    height, width = classifier.image_size
    return np.broadcast_to(mean.clip(0, 255)[:, None, None], (classifier.channels, height, width)).copy()


def read_start(settings: AscentSettings, classifier: Classifier) -> NDArray[np.uint8] | None:
    """The image to start from, uint8 (C, H, W), if the settings name a file.

    An image of another size than the classifier's is resized and cropped like a photograph.

    Raises:
        DataError: the file cannot be read.
    """
    if settings.start in STARTS:
        return None
    path = Path(settings.start)
    if not path.exists():
        raise DataError(f"There is no image {path} to start from; give {', '.join(STARTS)} or an image file.")
    picture = open_picture(path, channels=classifier.channels)
    if (picture.height, picture.width) == classifier.image_size:
        return as_pixels(picture)
    return fit_photograph(picture, classifier)


def start_image(
    start: str | NDArray[np.uint8], mean: NDArray[np.float32], class_index: int, seed: int
) -> NDArray[np.float32]:
    """The image a class starts from: the same for the same seed and class, whatever else climbs.

    Args:
        start: one of `STARTS`, or the image itself.
        mean: the mean image.
        class_index: the class.
        seed: of the ascent.

    Returns:
        float32 (C, H, W) in [0, 255].
    """
    if isinstance(start, np.ndarray):
        return start.astype(np.float32)
    generator = np.random.default_rng((seed, class_index))
    if start == "uniform":
        return generator.uniform(0, 255, mean.shape).astype(np.float32)
    if start == "mean":
        return mean.copy()
    return (mean + generator.standard_normal(mean.shape, np.float32)).clip(0, 255)


def shift(jitter: int, class_index: int, seed: int, taken: int) -> tuple[int, int]:
    """How far down and to the right the network sees the image shifted, each within ± jitter."""
    down, right = np.random.default_rng((seed, class_index, taken)).integers(-jitter, jitter + 1, 2)
    return int(down), int(right)
