"""Whether a network does what its description says, tried on a few images."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neatfool.classifiers.backends import Backend, Forward, Precision
from neatfool.classifiers.outputs import kind_fault, outputs_fault
from neatfool.classifiers.preprocessing import Preprocessing
from neatfool.errors import JudgeError, ModelError
from neatfool.shared.text import reason

_ROUNDING = 1e-4
"""Confidences may leave [0, 1] by this, in 16 bits and in sums."""


def trial_images(count: int, preprocessing: Preprocessing, device: torch.device) -> Tensor:
    """Images of every brightness, uint8 (count, channels, *input_size)."""
    shape = (count, preprocessing.channels, *preprocessing.input_size)
    return torch.arange(torch.Size(shape).numel(), device=device).remainder(256).to(torch.uint8).reshape(shape)


def try_out(run: Forward, preprocessing: Preprocessing, device: torch.device, name: str) -> Tensor:
    """Runs two images through a network and returns its outputs (2, n_classes), which have the form they should have.

    Args:
        run: The network as torch runs it, preprocessing included.
        preprocessing: What it is said to be.
        device: Where it is.
        name: The classifier's name in messages.

    Raises:
        ModelError: The network fails, or returns something else than its description says.
    """
    images = trial_images(2, preprocessing, device)
    try:
        with torch.inference_mode():
            outputs: object = run(images)
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"{name} fails on a batch of shape {tuple(images.shape)} ({reason(error)}); check input_size, channels and "
            "the module."
        ) from error
    if isinstance(outputs, Tensor) and outputs.shape in ((2,), (2, 1)):
        raise ModelError(
            f"{name} returns one number per image, but it takes at least two classes to be fooled; if it is the logit of the "
            'second of two, pass outputs="binary-logit" (or "binary-probability" after a sigmoid).'
        )
    fault = outputs_fault(outputs, len(images))
    if fault or not isinstance(outputs, Tensor):
        raise ModelError(f"{name} {fault}; wrap the module so that it returns the logits alone, one per class.")
    outputs = outputs.detach()
    if not bool(outputs.isfinite().all()):
        raise ModelError(f"{name} returns infinite or undefined numbers; check its weights, mean, std and scale.")
    return outputs


def count_classes(run: Forward, preprocessing: Preprocessing, device: torch.device, name: str) -> int:
    """The number of classes of a network, which passes `try_out` and returns the kind of outputs it is said to.

    Raises:
        ModelError: It does not.
    """
    outputs = try_out(run, preprocessing, device, name)
    if fault := kind_fault(outputs, preprocessing.outputs):
        raise ModelError(f"{name} {fault}.")
    return outputs.shape[1]


def ask(forward: Forward, pixels: Tensor, *, name: str, n_classes: int) -> Tensor:
    """A network's outputs for one batch, (N, n_classes), once they have the form they had in the trial.

    Raises:
        JudgeError: It fails, or returns something else.
    """
    shape = tuple(pixels.shape)
    try:
        outputs = forward(pixels)
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise JudgeError(
            f"{name} ran out of memory on a batch of shape {shape}; free some, or wrap it with a smaller chunk.",
            images=_kept(pixels),
        ) from error
    except (Exception, SystemExit) as error:
        raise JudgeError(
            f"{name} failed on a batch of shape {shape} ({reason(error)}); mend the model.", images=_kept(pixels)
        ) from error
    if fault := outputs_fault(outputs, len(pixels), n_classes):
        raise JudgeError(f"{name} suddenly {fault}; mend the model.", images=_kept(pixels))
    return outputs


def as_confidences(scores: object, shape: tuple[int, int], *, name: str) -> NDArray[np.float32]:
    """What a judge returned as confidences, float32 (images, classes) in [0, 1].

    Raises:
        JudgeError: It has another shape, or holds something else; NaN would win every comparison and hold a cell for good.
    """
    if not isinstance(scores, np.ndarray) or scores.shape != shape or scores.dtype.kind not in "fiub":
        returned = f"shape {scores.shape}" if isinstance(scores, np.ndarray) else f"a {type(scores).__name__}"
        raise JudgeError(f"{name} returned {returned} for {shape[0]} images instead of {shape}; mend the model.")
    scores = scores.astype(np.float32, copy=False)
    if not np.isfinite(scores).all():
        image = int(np.flatnonzero(~np.isfinite(scores).all(1))[0])
        raise JudgeError(
            f"{name} returned infinite or undefined numbers, first for image {image} of {shape[0]}; check its weights, its "
            "normalisation and, in 16 bits, its --precision."
        )
    outside = scores[(scores < -_ROUNDING) | (scores > 1 + _ROUNDING)]
    if len(outside):
        raise JudgeError(
            f"{name} returned the confidence {outside[0]:.6g}; return confidences in [0, 1], as of a softmax."
        )
    return scores


def check_finite(forward: Forward, images: Tensor, *, name: str, backend: Backend, precision: Precision) -> None:
    """Runs images through a network the way it will be run.

    Raises:
        ModelError: Some output is infinite or undefined.
    """
    with torch.inference_mode():
        outputs = forward(images).detach()
    if bool(outputs.isfinite().all()):
        return
    if precision == "float32":
        advice = "check its weights, mean, std and scale"
    else:
        advice = "its numbers do not fit into 16 bits of that kind; take the precision float32"
    raise ModelError(
        f"{name} returns infinite or undefined numbers in {precision} with the backend {backend}; {advice}."
    )


def _kept(pixels: Tensor) -> NDArray[Any] | None:
    """A batch for people to try; None where the device it is on does not give it back."""
    try:
        return pixels.detach().cpu().numpy()
    except RuntimeError:
        return None
