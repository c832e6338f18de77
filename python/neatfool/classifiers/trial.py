"""Whether a network does what its description says, tried on a few images."""

from collections.abc import Callable

import torch
from torch import Tensor

from neatfool.classifiers.backends import Backend, Forward, Precision
from neatfool.classifiers.preprocessing import Preprocessing
from neatfool.errors import ModelError


def trial_images(count: int, preprocessing: Preprocessing, device: torch.device) -> Tensor:
    """Images of every brightness, uint8 (count, channels, *input_size)."""
    shape = (count, preprocessing.channels, *preprocessing.input_size)
    return torch.arange(torch.Size(shape).numel(), device=device).remainder(256).to(torch.uint8).reshape(shape)


def count_classes(
    run: Callable[[Tensor], object], preprocessing: Preprocessing, device: torch.device, name: str
) -> int:
    """Runs two images through a network and returns its number of classes.

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
            outputs = run(images)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise ModelError(
            f"{name} fails on a batch of shape {tuple(images.shape)} ({reason}); check input_size, channels and the "
            "module."
        ) from error
    if not isinstance(outputs, Tensor):
        raise ModelError(
            f"{name} returns a {type(outputs).__name__} instead of a tensor (N, classes); wrap the module so that it "
            "returns the logits alone."
        )
    if outputs.ndim != 2 or len(outputs) != 2 or outputs.shape[1] < 2:
        raise ModelError(
            f"{name} returns shape {tuple(outputs.shape)} for 2 images instead of (2, classes) with at least two "
            "classes; wrap the module so that it gives one number per class."
        )
    if not bool(outputs.isfinite().all()):
        raise ModelError(f"{name} returns infinite or undefined numbers; check its weights, mean, std and scale.")
    _check_kind(outputs, preprocessing, name)
    return int(outputs.shape[1])


def check_finite(forward: Forward, images: Tensor, *, name: str, backend: Backend, precision: Precision) -> None:
    """Runs images through a network the way it will be run.

    Raises:
        ModelError: Some output is infinite or undefined.
    """
    with torch.inference_mode():
        outputs = forward(images)
    if bool(outputs.isfinite().all()):
        return
    if precision == "float32":
        advice = "check its weights, mean, std and scale"
    else:
        advice = "its numbers do not fit into 16 bits of that kind; take the precision float32"
    raise ModelError(
        f"{name} returns infinite or undefined numbers in {precision} with the backend {backend}; {advice}."
    )


def _check_kind(outputs: Tensor, preprocessing: Preprocessing, name: str) -> None:
    sums = outputs.float().sum(1)
    probabilities = bool((outputs >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all())
    if probabilities and preprocessing.outputs == "logits":
        raise ModelError(
            f'{name} returns probabilities (each row sums to 1), not logits; pass outputs="probabilities" or remove its '
            "final softmax."
        )
    if preprocessing.outputs == "probabilities" and not probabilities:
        raise ModelError(
            f"{name} does not return probabilities (a row sums to {float(sums[0]):.4g} and must sum to 1 without "
            'negative numbers); pass outputs="logits" if no softmax is applied.'
        )
