"""A generative classifier for MNIST: a normalised density p(x, y) of images and classes.

p(x, y) = p(y) p(x | y), and p(x | y) is a mixture of factor analysers (Ghahramani & Hinton 1996): of Gaussians whose
covariances are a diagonal and a low-rank part. It describes not the pixels themselves but z = log(v / (256 - v)), where
v, from 0 to 256, is a pixel's brightness in units of one level of 8 bits. So that p is a density of v, the derivative of
z is counted (Papamakarios et al. 2017). It integrates to 1 over all images, whatever the parameters are.

An 8-bit image with the pixels 0 to 255 stands for the small cube of all v from its pixels to its pixels + 1, and its
probability is the integral of the density over that cube of volume 1. The logarithm of that is at least the mean of log p
over the cube, which is what dequantisation with noise estimates. Here log p(x, y) is the log density at the cube's
middle, which depends on nothing random. "Bits per dimension" is that in bits for each pixel, by the usual convention.
For MNIST's test digits the middle takes 0.21 bits per dimension less than the mean over the cube (the shipped weights:
2.48 and 2.69, measured with ten draws for each of 2,000 digits), by nearly the same amount for each (standard deviation
0.02), and the accuracies agree to 0.1 %.

As a classifier its logits are log p(x, y), so that their softmax is the posterior p(y | x). Digits differ by tens to
hundreds of nats between classes: the posterior is almost always 0 or 1, and says nothing about whether x is a digit.
That is what p(x) = sum over y of p(x, y) is for: see `Rejection`.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neatfool.models.density.rejection import Rejection

_LEVELS = 256


class Gaussians(NamedTuple):
    """Normal distributions with the covariance loadings @ loadings.T + diag(variances), ready to be evaluated.

    The inverse of that covariance is diag(precision) - projection.T @ projection.
    """

    precision: Tensor
    """1 / variances, (C, D)."""
    linear: Tensor
    """Precision times mean, (C, D)."""
    projection: Tensor
    """(C, factors, D)."""
    offset: Tensor
    """Projection of the mean, (C, factors)."""
    constant: Tensor
    """What does not depend on z, (C,)."""

    @classmethod
    def of(cls, means: Tensor, loadings: Tensor, variances: Tensor) -> "Gaussians":
        """From (C, D), (C, D, factors) and (C, D), calculated in float64.

        Undefined parameters give undefined results rather than an error.
        """
        means, loadings, variances = means.double(), loadings.double(), variances.double()
        precision = 1 / variances
        scaled = (loadings * precision.unsqueeze(-1)).mT
        factors = torch.eye(loadings.shape[-1], dtype=torch.float64, device=means.device) + scaled @ loadings
        root, _ = torch.linalg.cholesky_ex(factors)
        projection = torch.linalg.solve_triangular(root, scaled, upper=False)
        log_determinant = variances.log().sum(1) + 2 * root.diagonal(dim1=1, dim2=2).log().sum(1)
        centre = (means.square() * precision).sum(1)
        constant = -(centre + log_determinant + means.shape[1] * math.log(2 * math.pi)) / 2
        return cls(precision, means * precision, projection, (projection @ means.unsqueeze(2)).squeeze(2), constant)

    def log_density(self, z: Tensor) -> Tensor:
        """Log density in nats of z, (N, D), under each distribution: (N, C)."""
        count, factors, _ = self.projection.shape
        projected = z @ self.projection.flatten(0, 1).T - self.offset.flatten()
        explained = projected.square().reshape(len(z), count, factors).sum(2)
        return self.constant + z @ self.linear.T - (z.square() @ self.precision.T - explained) / 2


class DensityModel(nn.Module):
    """p(x, y) of images with pixel values 0 to 255.

    Takes float32 (N, 1, side, side), not normalised, and returns (N, n_classes) log p(x, y) in nats; with a rejection,
    one more column for the class "rejected". All are divided by `temperature`, which is 1 unless somebody sets it: a higher
    one leaves which class is likeliest and makes the confidences less extreme, so that a search has something to climb.

    The parameters are kept in half precision, and the density is that of the rounded ones. Untrained, it is a mixture of
    random broad Gaussians.

    Args:
        n_classes: Number of classes y.
        rejection: See `Rejection`.
        side: Height and width of the images.
        components: Gaussians for each class.
        factors: Rank of the low-rank part of their covariances.
    """

    means: Tensor
    loadings: Tensor
    variances: Tensor
    log_weights: Tensor
    log_prior: Tensor
    thresholds: Tensor
    temperature: Tensor

    def __init__(
        self,
        n_classes: int = 10,
        *,
        rejection: Rejection = "none",
        side: int = 28,
        components: int = 8,
        factors: int = 20,
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.rejection = rejection
        self.components = components
        self.factors = factors
        shape = (n_classes * components, side * side)
        self.register_buffer("means", torch.randn(shape).half())
        self.register_buffer("loadings", torch.randn(*shape, factors).half())
        self.register_buffer("variances", torch.full(shape, 16.0).half())
        self.register_buffer("log_weights", torch.full((n_classes, components), -math.log(components)))
        self.register_buffer("log_prior", torch.full((n_classes,), -math.log(n_classes)))
        # Bounds that reject nothing: not even noise is that improbable.
        self.register_buffer("thresholds", torch.tensor([-1e6, -1e6, 1e6]))
        self.register_buffer("temperature", torch.tensor(1.0))
        for name, value in Gaussians.of(self.means, self.loadings, self.variances)._asdict().items():
            self.register_buffer(f"_{name}", value.float(), persistent=False)
        self.register_load_state_dict_post_hook(_prepare)  # type: ignore[no-untyped-call]

    def prepare(self) -> None:
        """Calculates what `forward` needs, after means, loadings or variances were changed other than by loading."""
        for name, value in Gaussians.of(self.means, self.loadings, self.variances)._asdict().items():
            self.get_buffer(f"_{name}").copy_(value)

    def forward(self, x: Tensor) -> Tensor:
        """Log p(x, y) in nats, and with a rejection the logit of "rejected", over the temperature."""
        joint = self.log_joint(x)
        if self.rejection == "none":
            return joint / self.temperature
        low, typical_low, typical_high = self.thresholds
        if self.rejection == "low":
            rejected = low.expand(len(x))
        else:
            rejected = torch.logaddexp(typical_low, 2 * joint.logsumexp(1) - typical_high)
        return torch.cat((joint, rejected.unsqueeze(1)), 1) / self.temperature

    def log_joint(self, x: Tensor) -> Tensor:
        """Log p(x, y) in nats for every class, at the middle of the pixels' levels: (N, n_classes)."""
        z, log_slope = to_logits(x.flatten(1) + 0.5)
        gaussians = Gaussians(*(self.get_buffer(f"_{name}") for name in Gaussians._fields))
        components = gaussians.log_density(z).reshape(len(z), self.n_classes, self.components)
        return (components + self.log_weights).logsumexp(2) + self.log_prior + log_slope.unsqueeze(1)


def _prepare(module: nn.Module, _keys: object) -> None:
    assert isinstance(module, DensityModel)  # noqa: S101
    module.prepare()


def to_logits(v: Tensor) -> tuple[Tensor, Tensor]:
    """The logit z = log(v / (256 - v)), and the logarithm of the product of its derivatives.

    Args:
        v: Brightness above 0 and below 256, (N, D).

    Returns:
        (N, D) and (N,).
    """
    below, above = v.log(), (_LEVELS - v).log()
    return below - above, (math.log(_LEVELS) - below - above).sum(1)


def log_joint(
    module: DensityModel, images: npt.NDArray[np.uint8] | Tensor, *, chunk: int = 100
) -> npt.NDArray[np.float64]:
    """Log p(x, y) in nats.

    Args:
        module: The model.
        images: uint8 (N, 1, side, side).
        chunk: Images per pass.

    Returns:
        float64 (N, n_classes).
    """
    pixels, device = torch.as_tensor(images), module.log_prior.device
    with torch.inference_mode():
        blocks = (pixels[start : start + chunk].to(device).float() for start in range(0, len(pixels), chunk))
        parts = [module.log_joint(block).double().cpu() for block in blocks]
    joint: npt.NDArray[np.float64] = torch.cat(parts).numpy()
    return joint


def log_likelihood(joint: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log p(x) in nats, float64 (N,), of log p(x, y)."""
    highest = joint.max(1, keepdims=True)
    total: npt.NDArray[np.float64] = highest[:, 0] + np.log(np.exp(joint - highest).sum(1))
    return total


def bits_per_dimension(log_likelihood: npt.NDArray[np.float64], dimensions: int) -> npt.NDArray[np.float64]:
    """-log2 p(x) per pixel: 8 for images of uniform noise under a uniform distribution, 0 for a certain image."""
    return -log_likelihood / (dimensions * math.log(2))
