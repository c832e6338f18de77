"""Whether a judge is a function of the image; if it is not, the archive holds luck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import ModelError
from neatfool.search.evaluate import check_confidences
from neatfool.search.judge import Images, Judge
from neatfool.shared.text import percent

TOLERANCE = 1e-3
"""Confidences of one image may differ by this: some networks add up in another order at another place of a batch."""

_BATCH = 8


def check_repeats(judge: Judge) -> None:
    """Shows a judge two batches twice, mixed up and in another order the second time.

    Raises:
        JudgeError: it failed, or returned something else than confidences.
        ModelError: the confidences of an image differ by more than `TOLERANCE`.
    """
    images = _trial_images(judge)
    order = np.concatenate([np.arange(0, len(images), 2), np.arange(1, len(images), 2)])[::-1]
    difference = float(np.abs(_in_batches(judge, images)[order] - _in_batches(judge, images[order])).max())
    if difference > TOLERANCE:
        raise ModelError(
            f"{judge.name} is up to {percent(difference)} surer of the very same image when it is asked again with others: it "
            "is random, remembers, or looks at the rest of the batch (as in training mode); mend it, or pass --allow-noise, "
            "with which every new elite is judged twice."
        )


def largest_difference(
    judge: Judge, images: Images, classes: NDArray[np.int64], confidence: NDArray[np.float32]
) -> float:
    """Judges images again, in the reverse order.

    Args:
        judge: who judged them.
        images: uint8 (N, *image_shape).
        classes: the class of each, shape (N,).
        confidence: how sure of it the judge was, shape (N,).

    Returns:
        The largest difference of a confidence, in [0, 1].

    Raises:
        JudgeError: it failed, or returned something else than confidences.
    """
    backwards = np.ascontiguousarray(images[::-1])
    again = check_confidences(judge.confidences(backwards), judge, len(images))[::-1]
    return float(np.abs(again[np.arange(len(classes)), classes] - confidence).max())


def _in_batches(judge: Judge, images: Images) -> NDArray[np.float32]:
    parts = [np.ascontiguousarray(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    return np.concatenate([check_confidences(judge.confidences(part), judge, len(part)) for part in parts])


def _trial_images(judge: Judge) -> Images:
    """Two batches of noise, from dim and faint to bright and strong: unlike each other, so that one leaks into another."""
    rng = np.random.default_rng(0)
    noise = rng.random((2 * _BATCH, *judge.image_shape))
    reach = np.linspace(16, 255, 2 * _BATCH).reshape(-1, 1, 1, 1)
    return (noise * reach).astype(np.uint8)
