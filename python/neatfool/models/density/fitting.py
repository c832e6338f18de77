"""Fitting a density model: expectation-maximisation for mixtures of factor analysers (Ghahramani & Hinton 1996)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from neatfool.errors import ConfigError
from neatfool.models.density.model import DensityModel, Gaussians, log_joint, log_likelihood, to_logits
from neatfool.models.density.rejection import Thresholds

_HELD_OUT = 12
_ROUNDS_OF_K_MEANS = 10


@dataclass
class _Mixture:
    """A mixture of factor analysers that is being fitted to images z, (N, D)."""

    means: Tensor
    """(components, D)."""
    loadings: Tensor
    """(components, D, factors)."""
    variances: Tensor
    """(components, D)."""
    log_weights: Tensor
    """(components,)."""

    @classmethod
    def start(
        cls, z: Tensor, *, components: int, factors: int, smallest_variance: float, generator: torch.Generator
    ) -> "_Mixture":
        """Clusters by k-means, and for all of them the principal components of the images around their centres."""
        centres, members = _k_means(z, components, generator)
        around = z - members @ centres
        covariance = around.T @ around / len(z)
        values, vectors = torch.linalg.eigh(covariance)
        spread = (values[-factors:] - smallest_variance).clamp_min(smallest_variance / 100)
        loadings = vectors[:, -factors:] * spread.sqrt()
        variances = (covariance.diagonal() - loadings.square().sum(1)).clamp_min(smallest_variance)
        return cls(
            centres,
            loadings.repeat(components, 1, 1),
            variances.repeat(components, 1),
            _log_shares(members.sum(0)),
        )

    def em_step(self, z: Tensor, smallest_variance: float) -> float:
        """One iteration of expectation-maximisation.

        The means are maximised first, then loadings and variances given the means: neither makes z less likely, as far
        as the prior on the weights, one image more in each component, leaves them alone.

        Returns:
            Sum of log p(z) before the iteration.
        """
        gaussians = Gaussians(*(value.to(z.dtype) for value in Gaussians.of(self.means, self.loadings, self.variances)))
        joint = gaussians.log_density(z) + self.log_weights
        responsibility = joint.softmax(1)
        totals = responsibility.sum(0)
        self.log_weights = _log_shares(totals)
        identity = torch.eye(self.loadings.shape[-1], dtype=z.dtype, device=z.device)
        for index, total in enumerate(totals.tolist()):
            if total < 1:
                continue
            # What a float32 sum would not notice is left out: most images belong to one component alone.
            (own,) = torch.where(responsibility[:, index] > 1e-8)
            weight = responsibility[own, index] / total
            mean = weight @ z[own]
            around = z[own] - mean
            loadings = self.loadings[index]
            scaled = (loadings / self.variances[index].unsqueeze(1)).T
            to_factors = torch.linalg.solve(identity + scaled @ loadings, scaled)
            cross = around.T @ ((around @ to_factors.T) * weight.unsqueeze(1))
            second_moment = identity - to_factors @ loadings + to_factors @ cross
            loadings = torch.linalg.solve(second_moment, cross, left=False)
            residual = weight @ around.square() - (loadings * cross).sum(1)
            self.means[index] = mean
            self.loadings[index] = loadings
            self.variances[index] = residual.clamp_min(smallest_variance)
        return float(joint.logsumexp(1).double().sum())


def _k_means(z: Tensor, clusters: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Centres, (clusters, D), started by k-means++ (Arthur & Vassilvitskii 2007), and who belongs to them, (N, clusters)."""
    lengths = z.square().sum(1, keepdim=True)

    def distances(centres: Tensor) -> Tensor:
        return (lengths - 2 * z @ centres.T + centres.square().sum(1)).clamp_min(0)

    centres = z[torch.randint(len(z), (1,), generator=generator)]
    while len(centres) < clusters:
        # The small number is for images that are all alike.
        chances = distances(centres).amin(1).cpu() + 1e-6
        centres = torch.cat((centres, z[torch.multinomial(chances, 1, generator=generator)]))
    for _ in range(_ROUNDS_OF_K_MEANS):
        members = one_hot(distances(centres).argmin(1), clusters).to(z.dtype)
        sizes = members.sum(0).unsqueeze(1)
        centres = torch.where(sizes > 0, members.T @ z / sizes.clamp_min(1), centres)
    return centres, members


def _log_shares(totals: Tensor) -> Tensor:
    return torch.log((totals + 1) / (totals + 1).sum())


def fit_density(
    module: DensityModel,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
    on_epoch: Callable[[int, float], None],
    smallest_variance: float = 4.0,
) -> None:
    """Fits a density model by expectation-maximisation, sets p(y), and sets the thresholds on images held out for that.

    Each class is fitted by itself, its images dequantised once with uniform noise. The last twelfth of the images is
    not learnt from. The same seed gives the same weights on the same machine with the same number of threads and release
    of torch.

    Args:
        module: What to train, in place, on any device.
        images: uint8 (N, 1, side, side), N at least 24.
        labels: Integers (N,).
        epochs: Iterations, each of which looks once at all images.
        seed: The noise and the first centres.
        on_epoch: Called after each iteration with its number, 1 for the first, and the mean -log p(x | y) before it, in
            bits per dimension.
        smallest_variance: Bound on the variances of z. The noise alone has a variance of about 1 where pixels are black. A
            larger bound makes a better classifier and a worse density.

    Raises:
        ConfigError: There are too few images, or none of some class.
    """
    count = len(images) - len(images) // _HELD_OUT
    if len(images) // _HELD_OUT < 2:
        raise ConfigError(f"A density model needs at least {2 * _HELD_OUT} images to train on, not {len(images)}.")
    device = module.log_prior.device
    generator = torch.Generator().manual_seed(seed)
    classes: list[tuple[Tensor, _Mixture]] = []
    log_slopes = 0.0
    for label in range(module.n_classes):
        chosen = images[:count][labels[:count] == label].flatten(1)
        if not len(chosen):
            raise ConfigError(
                f"There is no image of class {label} among the {count} images to learn from; add some, or shuffle them."
            )
        # Kept off the ends, which float32 could otherwise round to.
        noise = torch.rand(chosen.shape, generator=generator).clamp(1e-3, 1 - 1e-3)
        z, log_slope = to_logits((chosen + noise).to(device))
        log_slopes += float(log_slope.double().sum())
        mixture = _Mixture.start(
            z,
            components=module.components,
            factors=module.factors,
            smallest_variance=smallest_variance,
            generator=generator,
        )
        classes.append((z, mixture))
    module.log_prior.copy_(torch.bincount(labels[:count].long(), minlength=module.n_classes).double().div(count).log())
    for epoch in range(1, epochs + 1):
        total = log_slopes + sum(mixture.em_step(z, smallest_variance) for z, mixture in classes)
        module.means.copy_(torch.cat([mixture.means for _, mixture in classes]))
        module.loadings.copy_(torch.cat([mixture.loadings for _, mixture in classes]))
        module.variances.copy_(torch.cat([mixture.variances for _, mixture in classes]))
        module.log_weights.copy_(torch.stack([mixture.log_weights for _, mixture in classes]))
        module.prepare()
        if epoch == epochs:
            thresholds = Thresholds.of(log_likelihood(log_joint(module, images[count:])))
            module.thresholds.copy_(torch.tensor(thresholds))
        on_epoch(epoch, -total / (count * images[0].numel() * math.log(2)))
