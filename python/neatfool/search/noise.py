"""Whether a judge is a function of the image; if it is not, the archive holds luck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import Shape
from neatfool.errors import JudgeError, ModelError
from neatfool.search.evaluate import check_confidences
from neatfool.search.judge import Images, Judge, StreamingJudge
from neatfool.shared.text import percent

TOLERANCE = 1e-3
"""Confidences of one image may differ by this: some networks add up in another order at another place of a batch."""

_BATCH = 8


def check_repeats(judge: Judge) -> None:
    """Shows a judge two batches twice, mixed up and in another order the second time.

    Raises:
        ModelError: the confidences of an image differ by more than `TOLERANCE`, or it fails or returns no confidences.
    """
    size = judge.chunk if isinstance(judge, StreamingJudge) else _BATCH
    images = _trial_images(2 * size, judge.image_shape)
    order = np.concatenate([np.arange(0, len(images), 2), np.arange(1, len(images), 2)])[::-1]
    try:
        once, again = (_in_batches(judge, shown, size) for shown in (images, images[order]))
    except JudgeError as error:
        raise ModelError(str(error)) from error
    difference = float(np.abs(once[order] - again).max())
    if difference > TOLERANCE:
        raise ModelError(
            f"{judge.name} is up to {percent(difference)} surer of the very same image when it is asked again with others: it "
            "is random, remembers, or looks at the rest of the batch (as in training mode); mend it, or pass --allow-noise, "
            "with which every new elite is judged twice."
        )


def _in_batches(judge: Judge, images: Images, size: int) -> NDArray[np.float32]:
    parts = [np.ascontiguousarray(images[start : start + size]) for start in range(0, len(images), size)]
    return np.concatenate([check_confidences(judge.confidences(part), judge, len(part)) for part in parts])


def _trial_images(count: int, shape: Shape) -> Images:
    """Noise, from dim and faint to bright and strong: images so unlike each other that one leaks into another."""
    noise = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
    reach = np.linspace(16, 255, count).astype(np.uint16).reshape(-1, 1, 1, 1)
    return (noise * reach // 255).astype(np.uint8)
