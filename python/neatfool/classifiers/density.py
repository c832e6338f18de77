"""A generative classifier for MNIST: a normalised probability p(x, y) of every 8-bit image and class.

p(x, y) = p(y) p(x | y), and p(x | y) is the product over all pixels, row by row, of the probability of a pixel's value
given the pixels before it and the class (van den Oord et al. 2016, PixelCNN). Causal convolutions that all classes share
describe the pixels before; two layers of each class's own, the first of which also knows the place, turn that into a
mixture of discretised logistic distributions over the values 0 to 255 (Salimans et al. 2017, PixelCNN++). The values are
discrete and each pixel's probabilities sum to 1, so p(x, y) sums to 1 over all 256^784 images and 10 classes: nothing is
dequantised, and no probability is higher than 1.

As a classifier its logits are log p(x, y), so that their softmax is the posterior p(y | x). Digits differ by tens to
hundreds of nats between classes: the posterior is almost always 0 or 1, and says nothing about whether x is a digit.
That is what p(x) = sum over y of p(x, y) is for: see `Rejection`.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, logsigmoid, pad, relu, softplus

from neatfool.classifiers.layers import seeded
from neatfool.errors import ConfigError

Rejection = Literal["none", "low", "typical"]
"""What a density model does with images unlike its digits.

"none": nothing. "low": the class "rejected" stands for images less probable than a threshold t; its logit is log t, as if
they came from a source that gives every image the probability t. "typical": also for images more probable than digits
are, such as blank ones (Nalisnick et al. 2019); the logit is log(t1 + p(x)^2 / t2), which overtakes log p(x) below t1 and
above t2. An image at a threshold thus is half rejected, and one a few nats further in or out is not, or wholly.
"""

REJECTED = "rejected"
FALSE_REJECTION = 0.01
"""Share of real images that the stored thresholds reject."""

_HELD_OUT = 12
_PLACES = 14
_SMALLEST_LOG_SCALE, _LARGEST_LOG_SCALE = -7.0, 3.0


class Thresholds(NamedTuple):
    """Bounds on log p(x) in nats."""

    low: float
    """The one-sided test rejects what lies below."""
    typical_low: float
    """The two-sided test rejects what lies below, and"""
    typical_high: float
    """what lies above."""

    @classmethod
    def of(cls, log_likelihood: npt.NDArray[np.float64]) -> "Thresholds":
        """Thresholds that reject `FALSE_REJECTION` of real images, the two-sided test half of that on either side.

        Args:
            log_likelihood: log p(x) of real images that the model was not trained on, float64 (N,).
        """
        half = FALSE_REJECTION / 2
        return cls(*np.quantile(log_likelihood, (FALSE_REJECTION, half, 1 - half)).tolist())


class CausalConv(nn.Conv2d):
    """A convolution that sees only the pixels before its own, in reading order, and its own if `own` says so.

    Takes and returns (N, channels, H, W).
    """

    mask: Tensor

    def __init__(
        self, inputs: int, outputs: int, *, rows: int, columns: int, dilation: int = 1, own: bool = True
    ) -> None:
        super().__init__(inputs, outputs, (rows, columns), dilation=dilation)
        mask = torch.ones(rows, columns)
        mask[-1, columns // 2 + own :] = 0
        self.register_buffer("mask", mask, persistent=False)
        side = dilation * (columns // 2)
        self._margin = (side, side, dilation * (rows - 1), 0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, outputs, H, W) of (N, inputs, H, W)."""
        return conv2d(pad(x, self._margin), self.weight * self.mask, self.bias, dilation=self.dilation)


class DensityModel(nn.Module):
    """p(x, y) of images with pixel values 0 to `levels` - 1.

    Takes float32 (N, 1, side, side), not normalised, and returns (N, n_classes) log p(x, y) in nats; with a rejection,
    one more column for the class "rejected". All are divided by `temperature`, which is 1 unless somebody sets it: a higher
    one leaves which class is likeliest and makes the confidences less extreme, so that a search has something to climb.

    Args:
        n_classes: Number of classes y.
        rejection: See `Rejection`.
        side: Height and width of the images.
        levels: Number of values a pixel may have.
        channels: Channels of the causal convolutions.
        hidden: Units of the layers that know the class.
        components: Logistic distributions mixed for each pixel.
    """

    log_prior: Tensor
    thresholds: Tensor
    temperature: Tensor

    def __init__(
        self,
        n_classes: int = 10,
        *,
        rejection: Rejection = "none",
        side: int = 28,
        levels: int = 256,
        channels: int = 32,
        hidden: int = 48,
        components: int = 4,
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.rejection = rejection
        self.levels = levels
        self.components = components
        self.first = CausalConv(2, channels, rows=5, columns=9, own=False)
        self.blocks = nn.ModuleList(
            CausalConv(channels, channels, rows=2, columns=3, dilation=dilation) for dilation in (1, 2, 4)
        )
        self.context = nn.Linear(channels, hidden)
        self.templates = nn.Parameter(0.1 * torch.randn(n_classes, 2 * hidden, _PLACES, _PLACES))
        self.mixing = nn.Parameter(torch.randn(n_classes, hidden, hidden) / math.sqrt(hidden))
        self.output = nn.Linear(hidden, 3 * components)
        self.side = side
        self.register_buffer("log_prior", torch.full((n_classes,), -math.log(n_classes)))
        # Bounds that reject nothing: a probability is below 1, and not even noise is that improbable.
        self.register_buffer("thresholds", torch.tensor([-1e6, -1e6, 0.0]))
        self.register_buffer("temperature", torch.tensor(1.0))

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
        """Log p(x, y) in nats for every class: (N, n_classes)."""
        context = self._context(x)
        # A class at a time, which keeps the working set in the cache.
        classes = zip(self._templates(), self.mixing, strict=True)
        return torch.stack([self._log_conditional(x, context, *own) for own in classes], 1) + self.log_prior

    def log_conditionals(self, x: Tensor, *labels: Tensor) -> list[Tensor]:
        """Log p(x | y) in nats, (N,), for each of some labels y, (N,)."""
        context, templates = self._context(x), self._templates()
        return [self._log_conditional(x, context, templates[y], self.mixing[y].unsqueeze(1)) for y in labels]

    def _context(self, x: Tensor) -> Tensor:
        """What the pixels before each one say: (N, side, side, hidden)."""
        context: Tensor = self.first(torch.cat((x / (self.levels - 1), (x > 0).to(x.dtype)), 1))
        for block in self.blocks:
            context = context + block(relu(context))
        seen: Tensor = self.context(relu(context).permute(0, 2, 3, 1))
        return seen

    def _templates(self) -> Tensor:
        """Gain and offset of the context of each class at each place: (n_classes, side, side, 2 * hidden)."""
        size = [self.side, self.side]
        return interpolate(self.templates, size=size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)

    def _log_conditional(self, x: Tensor, context: Tensor, templates: Tensor, mixing: Tensor) -> Tensor:
        gain, offset = templates.chunk(2, -1)
        units = relu(torch.addcmul(context + offset, context, gain))
        units = units + relu(units @ mixing)
        weight, mean, log_scale = self.output(units).split(self.components, -1)
        log_scale = log_scale.clamp(_SMALLEST_LOG_SCALE, _LARGEST_LOG_SCALE)
        pixels = log_discretised_logistic(x[:, 0].unsqueeze(-1), mean, log_scale, self.levels)
        return torch.logsumexp(pixels + weight.log_softmax(-1), -1).sum((1, 2))


def log_discretised_logistic(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """Log P(x) of a logistic distribution rounded to the values 0 to `levels` - 1, the ends taking the tails.

    Mean and scale are in units in which the values run from -1 to 1. With F the logistic function and x between a and b,
    F(b) - F(a) = F(b) F(-a) (1 - exp(a - b)), which loses no digits however far x is from the mean.
    """
    half = 1 / (levels - 1)
    inverse = torch.exp(-log_scale)
    centred = (2 * half * x - 1 - mean) * inverse
    width = half * inverse
    lowest, highest = x < 0.5, x > levels - 1.5
    below_upper = logsigmoid(centred + width).masked_fill(highest, 0)
    above_lower = logsigmoid(width - centred).masked_fill(lowest, 0)
    between = torch.log(-torch.expm1(-2 * width)).masked_fill(lowest | highest, 0)
    return below_upper + above_lower + between


def fit_density(
    module: DensityModel,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
    on_epoch: Callable[[int, float], None],
    batch: int = 20,
    learning_rate: float = 6e-3,
    posterior_weight: float = 3.0,
) -> None:
    """Trains a density model, sets p(y), and sets the thresholds on images held out for that.

    The loss is -log p(x | y) - `posterior_weight` log p(y | x), the second term (McCallum et al. 2006) estimated by the
    pair (y, y') of the right class and a random other one, of which all nine together bound it. It makes the model a good
    classifier much sooner, and touches no normalisation: p(x, y) sums to 1 whatever its parameters are.

    Adam, gradients clipped to norm 5, a learning rate that rises over the first tenth of all steps and falls along half a
    cosine. The last twelfth of the images is not learnt from. The same seed gives the same weights on the same machine
    with the same number of threads and release of torch.

    Args:
        module: What to train, in place, on any device.
        images: uint8 (N, 1, side, side), N at least 24.
        labels: Integers (N,).
        epochs: Passes over the images.
        seed: Order of the images.
        on_epoch: Called after each epoch with its number, 1 for the first, and the mean -log p(x | y) of its images, each
            while its batch was learnt, in bits per dimension.
        batch: Images per step.
        learning_rate: The highest one.
        posterior_weight: 0 is maximum likelihood.

    Raises:
        ConfigError: Training diverged, or there are too few images.
    """
    count = len(images) - len(images) // _HELD_OUT
    if len(images) // _HELD_OUT < 2:
        raise ConfigError(f"A density model needs at least {2 * _HELD_OUT} images to train on, not {len(images)}.")
    device = module.log_prior.device
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate)
    steps = epochs * math.ceil(count / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=max(steps, 2), pct_start=0.1, cycle_momentum=False
    )
    order = torch.Generator().manual_seed(seed)
    try:
        for epoch in range(1, epochs + 1):
            module.train().requires_grad_(True)
            total = torch.zeros((), device=device)
            for chosen in torch.randperm(count, generator=order).split(batch):  # type: ignore[no-untyped-call]
                x = _pixels(images[chosen], device)
                right = labels[chosen].to(torch.int64)
                others = module.n_classes - 1
                rivals = (right + torch.randint(1, others + 1, right.shape, generator=order)) % module.n_classes
                own, rival = module.log_conditionals(x, right.to(device), rivals.to(device))
                loss = -own.mean() + posterior_weight * others * softplus(rival - own).mean()
                optimiser.zero_grad()
                (loss / x[0].numel()).backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(module.parameters(), 5.0)
                optimiser.step()
                schedule.step()
                total -= own.detach().sum()
            bits = float(total) / count / (images[0].numel() * math.log(2))
            if not math.isfinite(bits):
                raise ConfigError(f"Training the density model diverged in epoch {epoch}; take another seed.")
            if epoch == epochs:
                _settle(module, images[count:], labels)
            module.eval().requires_grad_(False)
            on_epoch(epoch, bits)
    finally:
        optimiser.zero_grad()
        module.eval().requires_grad_(False)


def log_joint(
    module: DensityModel, images: npt.NDArray[np.uint8] | Tensor, *, chunk: int = 20
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
        blocks = (_pixels(pixels[start : start + chunk], device) for start in range(0, len(pixels), chunk))
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


def new_density_model(n_classes: int, *, seed: int) -> DensityModel:
    """An untrained density model."""
    with seeded(seed):
        return DensityModel(n_classes)


def _settle(module: DensityModel, held_out: Tensor, labels: Tensor) -> None:
    """Sets p(y) to the classes' frequencies, none of them zero, and the thresholds on images not learnt from."""
    frequencies = torch.bincount(labels, minlength=module.n_classes).double() + 1
    with torch.no_grad():
        module.log_prior.copy_((frequencies / frequencies.sum()).log())
        thresholds = Thresholds.of(log_likelihood(log_joint(module, held_out)))
        module.thresholds.copy_(torch.tensor(thresholds))


def _pixels(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device=device, dtype=torch.float32, memory_format=torch.channels_last)
