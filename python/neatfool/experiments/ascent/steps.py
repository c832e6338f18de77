"""From a gradient to a step: progress policy, constant rate, Adam. Every image of a batch is treated on its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neatfool.experiments.ascent.settings import AscentSettings

_ADAM_DECAY = (0.9, 0.999)
_ADAM_EPSILON = 1e-8


def progress_rate(square: Tensor, p: Tensor, *, early: float, late: float, max_lr: float) -> Tensor:
    """Learning rates of the progress policy: min(max_lr, min(early, late × (1 - p)) / |g|²).

    Args:
        square: |g|² of each image, shape (N,).
        p: confidence of each image in its class, shape (N,).
        early: most that the objective should grow in a step.
        late: most that it should grow, as a multiple of what is left of the probability; may be infinite.
        max_lr: largest rate.

    Returns:
        Shape (N,), finite.
    """
    room = torch.full_like(p, early) if math.isinf(late) else (late * (1 - p)).clamp(max=early)
    return (room / square.clamp_min(torch.finfo(square.dtype).tiny)).clamp(max=max_lr)


def adam_moments(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """First and second moments before the first step: zeros of shape (N, 2, *shape[1:])."""
    return torch.zeros((shape[0], 2, *shape[1:]), device=device)


def step(gradient: Tensor, p: Tensor, moments: Tensor | None, taken: Tensor, settings: AscentSettings) -> Tensor:
    """The step up a gradient.

    Args:
        gradient: of the objective, shape (N, ...).
        p: confidence of each image in its class, shape (N,).
        moments: for Adam, of shape (N, 2, ...), updated in place; else None.
        taken: steps each image took before, shape (N,).
        settings: which policy, and its constants.

    Returns:
        What to add, of the gradient's shape.
    """
    column = (-1, *[1] * (gradient.ndim - 1))
    lr = 1.0 if settings.lr is None else settings.lr
    if moments is not None:
        first, second = moments[:, 0], moments[:, 1]
        first.lerp_(gradient, 1 - _ADAM_DECAY[0])
        second.lerp_(gradient.square(), 1 - _ADAM_DECAY[1])
        corrections = [(1 - decay ** (taken.double() + 1)).float().reshape(column) for decay in _ADAM_DECAY]
        return lr * (first / corrections[0]) / ((second / corrections[1]).sqrt() + _ADAM_EPSILON)
    if settings.optimiser == "constant":
        return lr * gradient
    # In double precision the order of the sum, which may depend on the batch, does not show.
    square = gradient.flatten(1).double().square().sum(1)
    early, late = settings.progress
    rates = progress_rate(square, p.double(), early=early, late=late, max_lr=settings.max_lr)
    return rates.float().reshape(column) * gradient
