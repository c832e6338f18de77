"""What keeps an image tame: applied after each step, to every image of a batch on its own.

Yosinski et al. (2015), section 3, and the program of the paper's authors. Where they set something to zero, the image
there is relative to the mean image; here it is set to the mean.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms.functional import gaussian_blur

from neatfool.experiments.ascent.settings import AscentSettings


def regularise(images: Tensor, gradient: Tensor, mean: Tensor, taken: Tensor, settings: AscentSettings) -> Tensor:
    """Applies the regularisers that are switched on, in the order of the settings, then clips to [0, 255].

    Args:
        images: float32 (N, C, H, W), after the step.
        gradient: of the objective, at the images before the step.
        mean: the mean image, of a shape that broadcasts.
        taken: steps each image has taken, this one included, shape (N,).
        settings: which, and how strongly.

    Returns:
        The images to go on with.
    """
    if settings.l2_decay:
        images = mean + (1 - settings.l2_decay) * (images - mean)
    if settings.blur_radius:
        due = (taken % settings.blur_every == 0).reshape(-1, 1, 1, 1)
        images = torch.where(due, blur(images, settings.blur_radius), images)
    if settings.small_norm:
        norm = (images - mean).square().sum(1, keepdim=True).sqrt()
        images = torch.where(smallest(norm, settings.small_norm), mean, images)
    if settings.small_contribution:
        contribution = ((images - mean) * gradient).sum(1, keepdim=True).abs()
        images = torch.where(smallest(contribution, settings.small_contribution), mean, images)
    if settings.total_variation:
        images = images - settings.total_variation * total_variation_gradient(images)
    return images.clamp(0, 255)


def blur(images: Tensor, deviation: float) -> Tensor:
    """Gaussian blur, cut off beyond four standard deviations or where the mirrored image would end."""
    height, width = images.shape[-2:]
    reach = math.ceil(4 * deviation)
    kernel = [2 * min(reach, side - 1) + 1 for side in (width, height)]
    blurred: Tensor = gaussian_blur(images, kernel, [deviation, deviation])
    return blurred


def smallest(values: Tensor, percentage: float) -> Tensor:
    """Where values of shape (N, 1, H, W) lie below this percentile of their own image."""
    limits = torch.quantile(values.flatten(1), percentage / 100, dim=1)
    return values < limits.reshape(-1, 1, 1, 1)


def total_variation_gradient(images: Tensor) -> Tensor:
    """Gradient of the sum over all pixels of sqrt(1 + dx² + dy²), dx and dy being differences to the next pixel."""
    dx, dy = pad(images.diff(dim=-1), (0, 1)), pad(images.diff(dim=-2), (0, 0, 0, 1))
    length = (1 + dx.square() + dy.square()).sqrt()
    dx, dy = dx / length, dy / length
    return pad(dx, (1, 0))[..., :-1] - dx + pad(dy, (0, 0, 1, 0))[..., :-1, :] - dy
