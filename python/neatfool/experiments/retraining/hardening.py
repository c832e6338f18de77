"""Training a network to tell fooling images from real ones, without forgetting the real ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, softmax

from neatfool.classifiers import Classifier
from neatfool.classifiers.layers import last_layer, seeded
from neatfool.data import LabelledImages, batches, labels_of, read_images
from neatfool.errors import ConfigError, ModelError
from neatfool.training.loop import TrainingSettings, optimise

TEMPERATURE = 2.0
"""Softens what is distilled (Hinton, Vinyals & Dean 2015)."""

_RATE = 5.0
"""Distilled into SqueezeNet, this and up to thirty times as much kept the accuracy; 300 times destroyed it."""

_CACHE_LIMIT = 4 * 2**30

OnEpoch = Callable[[int, float], None]


@dataclass(frozen=True)
class TrainingSet:
    """Real images with their classes, then fooling images, all of one more class.

    Attributes:
        real: the real images.
        fooling: uint8 (M, channels, height, width).
        fooling_class: index of their class.
    """

    real: LabelledImages
    fooling: NDArray[np.uint8]
    fooling_class: int

    def __len__(self) -> int:
        return len(self.real) + len(self.fooling)

    @property
    def labels(self) -> Tensor:
        """The class of every image, int64 (N,)."""
        fooling = np.full(len(self.fooling), self.fooling_class, np.int64)
        return torch.from_numpy(np.concatenate([labels_of(self.real), fooling]))

    def images(self, chosen: Tensor) -> Tensor:
        """The images of these indices, uint8 (n, channels, height, width)."""
        indices = chosen.numpy()
        is_real = indices < len(self.real)
        out = np.empty((len(indices), *self.fooling.shape[1:]), np.uint8)
        if is_real.any():
            out[is_real] = read_images(self.real, indices[is_real])
        out[~is_real] = self.fooling[indices[~is_real] - len(self.real)]
        return torch.from_numpy(out)


class FrozenFeatures:
    """A network cut in two before its last layer, so that what lies before needs computing only once an image.

    Attributes:
        layer: the last layer.
    """

    def __init__(self, classifier: Classifier) -> None:
        found = last_layer(classifier.module, classifier.n_classes)
        if found is None:
            raise ModelError(f"{classifier.name} does not end in a linear layer, so its features cannot be frozen.")
        self.layer = found[1]
        self._classifier = classifier

    def features(self, pixels: Tensor) -> Tensor:
        """What enters the last layer; `pixels` is uint8 (n, channels, height, width)."""
        seen: list[Tensor] = []
        hook = self.layer.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
        try:
            with torch.no_grad():
                self._classifier.forward(pixels.to(self._classifier.device))
        finally:
            hook.remove()
        return seen[-1]

    def steady_rate(self, pixels: Tensor) -> float:
        """A learning rate that suits the last layer whatever the size of its inputs, which differs by magnitudes.

        The curvature of cross-entropy in the weights of a linear layer grows with the squared norm of its input.
        """
        features = self.features(pixels).float()
        pooled = features.mean((2, 3)) if features.ndim == 4 else features.flatten(1)
        return _RATE / max(float(pooled.square().sum(1).mean()), 1e-6)

    def outputs(self, features: Tensor) -> Tensor:
        """The network's outputs for what `features` returned, differentiable in the last layer alone.

        The network runs on one blank image, and what enters its last layer is exchanged on the way: whatever
        follows that layer is thereby computed as the network itself does it.
        """
        hook = self.layer.register_forward_pre_hook(lambda _layer, _inputs: (features,))
        try:
            shape = (1, self._classifier.channels, *self._classifier.input_size)
            blank = torch.zeros(shape, device=self._classifier.device)
            outputs = self._classifier.forward(blank)
        finally:
            hook.remove()
        return outputs


def soft_targets(teacher: Classifier, real: LabelledImages) -> Tensor:
    """What a network says of real images, softened: float32 (N, its classes), rows summing to 1."""
    parts = []
    with torch.inference_mode():
        for images, _ in batches(real, teacher.chunk):
            logits = teacher.logits(torch.from_numpy(images).float())
            parts.append(softmax(logits / TEMPERATURE, 1).cpu())
    return torch.cat(parts).clone()


def harden(
    classifier: Classifier,
    data: TrainingSet,
    *,
    settings: TrainingSettings,
    freeze_features: bool = False,
    distill: float = 0.0,
    soft: Tensor | None = None,
    on_epoch: OnEpoch | None = None,
    before_batch: Callable[[], None] | None = None,
) -> float:
    """Trains a classifier's module in place on real and fooling images.

    With distillation (Hinton, Vinyals & Dean 2015) the loss of a real image is (1 - `distill`) x cross-entropy +
    `distill` x T^2 x KL(soft target || softened output), T = 2. The target gives the fooling class nothing, so this
    also keeps real images out of it. A fooling image's loss is its cross-entropy.

    Args:
        classifier: what to train; its last class is the fooling images'.
        data: the images.
        settings: how to train.
        freeze_features: train the last layer alone; all else, batch statistics too, stays as it is, without dropout.
        distill: weight of the old network's answers, 0 to 1.
        soft: `soft_targets` of the real images, needed where `distill` is above 0.
        on_epoch: called after every epoch with its number and mean loss.
        before_batch: called before every batch; what it raises ends the training.

    Returns:
        The mean loss of the last epoch.

    Raises:
        ConfigError: training diverged.
        ModelError: the module's last layer cannot be told.
    """
    module, device, labels = classifier.module, classifier.device, data.labels
    parameters = list(module.parameters())
    frozen = FrozenFeatures(classifier) if freeze_features else None
    cached: Tensor | None = None
    if frozen is not None:
        parameters = list(frozen.layer.parameters())
        cached = _cache(frozen, data, classifier.chunk, before_batch)

    def outputs(chosen: Tensor) -> Tensor:
        if frozen is None:
            module.train()
            return classifier.forward(data.images(chosen).to(device))
        features = frozen.features(data.images(chosen)) if cached is None else cached[chosen].to(device)
        return frozen.outputs(features)

    def batch_loss(chosen: Tensor) -> Tensor:
        if before_batch:
            before_batch()
        logits = outputs(chosen)
        hard = cross_entropy(logits, labels[chosen].to(device), reduction="none")
        if soft is None or distill == 0:
            return hard.mean()
        weights = distill * (chosen < len(data.real)).to(device)
        target = soft[chosen.clamp_max(len(data.real) - 1)].to(device)
        guess = log_softmax(logits / TEMPERATURE, 1)[:, : target.shape[1]]
        divergence = (torch.xlogy(target, target) - target * guess).sum(1)
        return ((1 - weights) * hard + weights * TEMPERATURE**2 * divergence).mean()

    losses: list[float] = []

    def after(epoch: int, loss: float) -> None:
        module.eval()
        losses.append(loss)
        if on_epoch:
            on_epoch(epoch, loss)

    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        optimise(classifier, parameters, batch_loss, len(data), settings=settings, on_epoch=after)
    finally:
        module.eval().requires_grad_(False)
    return losses[-1]


def _cache(
    frozen: FrozenFeatures, data: TrainingSet, size: int, before_batch: Callable[[], None] | None
) -> Tensor | None:
    """The features of all images on the CPU; None if they would take too much memory."""
    cached: Tensor | None = None
    for start in range(0, len(data), size):
        if before_batch:
            before_batch()
        features = frozen.features(data.images(torch.arange(start, min(start + size, len(data))))).cpu()
        if cached is None:
            if features[0].nbytes * len(data) > _CACHE_LIMIT:
                return None
            cached = torch.empty((len(data), *features.shape[1:]))
        cached[start : start + len(features)] = features
    return cached


def reinitialised(classifier: Classifier, *, seed: int) -> Classifier:
    """A copy of a classifier with newly drawn weights.

    Raises:
        ConfigError: a layer cannot draw its weights anew.
    """
    module = copy.deepcopy(classifier.module)
    drawn: set[int] = set()
    with seeded(seed):
        for layer in module.modules():
            if callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
                drawn.update(id(parameter) for parameter in layer.parameters(recurse=False))
    left: list[nn.Parameter] = [parameter for parameter in module.parameters() if id(parameter) not in drawn]
    if left:
        raise ConfigError(f"{classifier.name} has layers whose weights cannot be drawn anew; use --continue.")
    return classifier.with_module(module, classifier.class_names)
