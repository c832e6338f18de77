"""Training a classifier on from the weights it has.

The recipe, which also made the weights of `lenet-mnist` that come with the package: cross-entropy, SGD with Nesterov
momentum 0.9, weight decay 5e-4, batches of 100 in a new random order every epoch, a learning rate that falls from 0.05
to 0 along half a cosine, torch's default initialisation. The generative `density-mnist` has its own (see
`neatfool.models.density.fitting`).

The same seed gives the same weights on the same machine with the same number of threads and release of torch. Another
number of threads adds up gradients in another order, so the weights then differ in their last bits, and so do, after an
epoch, the accuracies by about as much as between two seeds.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neatfool.classifiers import Classifier
from neatfool.classifiers.layers import seeded
from neatfool.data import LabelledImages
from neatfool.errors import ConfigError, ModelError
from neatfool.training.evaluation import accuracy


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How to train: see the recipe above."""

    epochs: int = 10
    batch: int = 100
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ConfigError(f"epochs and batch must be at least 1, not {self.epochs} and {self.batch}.")
        if not (self.learning_rate > 0 and 0 <= self.momentum < 1 and self.weight_decay >= 0):
            raise ConfigError("learning_rate must be above 0, momentum from 0 to below 1, and weight_decay at least 0.")


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to."""

    epoch: int
    """1 for the first."""
    loss: float
    """Mean over the training images, each while its batch was learnt, of the cross-entropy in nats; for a density model of
    -log p(x | y) in bits per dimension before the iteration."""
    accuracy: float | None
    """Fraction of the test images that are classified correctly, None without test images."""


Progress = Callable[[Epoch], None]


def fit(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    *,
    settings: TrainingSettings,
    test: LabelledImages | None = None,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Trains a classifier's module in place, on from the weights it has.

    Args:
        classifier: What to train; its module must return logits.
        images: uint8 (N, channels, *input_size), on the CPU.
        labels: Integers (N,) in 0 to n_classes - 1.
        settings: The recipe.
        test: Images to measure the accuracy on after every epoch.
        progress: Called after every epoch.

    Raises:
        ConfigError: Training diverged.
        ModelError: The module returns probabilities, or the classifier is run by OpenVINO.
        ValueError: Images or labels have a wrong shape, type or range.
    """
    check_training_images(classifier, images, labels)
    module, device = classifier.module, classifier.device
    history = []

    def batch_loss(chosen: Tensor) -> Tensor:
        module.train()
        outputs = classifier.forward(images[chosen].to(device))
        return cross_entropy(outputs, labels[chosen].to(device=device, dtype=torch.int64))

    def on_epoch(epoch: int, loss: float) -> None:
        module.eval()
        history.append(Epoch(epoch, loss, accuracy(classifier, test).top1 if test else None))
        if progress:
            progress(history[-1])

    try:
        module.requires_grad_(True)
        optimise(classifier, list(module.parameters()), batch_loss, len(images), settings=settings, on_epoch=on_epoch)
    finally:
        module.eval().requires_grad_(False)
    return history


def optimise(
    classifier: Classifier,
    parameters: Sequence[nn.Parameter],
    batch_loss: Callable[[Tensor], Tensor],
    count: int,
    *,
    settings: TrainingSettings,
    on_epoch: Callable[[int, float], None],
) -> None:
    """Minimises a loss by the recipe above: SGD over batches in a new random order every epoch.

    Args:
        classifier: What is trained.
        parameters: What may change.
        batch_loss: The mean loss of the examples of these indices, int64 (B,).
        count: Number of examples.
        settings: The recipe.
        on_epoch: Called after every epoch with its number and mean loss.

    Raises:
        ConfigError: Training diverged.
        ModelError: The classifier is run by OpenVINO.
    """
    if classifier.backend == "openvino":
        raise ModelError(
            f"{classifier.name} is run by OpenVINO, which keeps the weights it was given; train it with the backend torch."
        )
    optimiser = torch.optim.SGD(
        parameters,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.momentum > 0,
    )
    batches_per_epoch = math.ceil(count / settings.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * batches_per_epoch)
    order = torch.Generator().manual_seed(settings.seed)
    try:
        with seeded(settings.seed, classifier.device):
            for epoch in range(1, settings.epochs + 1):
                total = torch.zeros((), device=classifier.device)
                shuffled = torch.randperm(count, generator=order)
                for start in range(0, count, settings.batch):
                    chosen = shuffled[start : start + settings.batch]
                    loss = batch_loss(chosen)
                    optimiser.zero_grad()
                    torch.autograd.backward(loss)
                    optimiser.step()
                    schedule.step()
                    total += loss.detach() * len(chosen)
                mean = float(total) / count
                if not math.isfinite(mean):
                    raise ConfigError(f"Training {classifier.name} diverged in epoch {epoch}; lower the learning rate.")
                on_epoch(epoch, mean)
    finally:
        optimiser.zero_grad()


def check_training_images(classifier: Classifier, images: Tensor, labels: Tensor) -> None:
    """Whether a classifier can be trained on these images.

    Raises:
        ModelError: The module returns probabilities.
        ValueError: Images or labels have a wrong shape, type or range.
    """
    if classifier.outputs != "logits":
        raise ModelError(
            f"{classifier.name} returns {classifier.outputs}; let it return a logit for each class to train it on them."
        )
    wanted = (classifier.channels, *classifier.input_size)
    if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[1:]) != wanted or not len(images):
        raise ValueError(f"images must be uint8 of shape (N, {wanted[0]}, {wanted[1]}, {wanted[2]}) with N above 0.")
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(f"labels must be {len(images)} integers, one per image.")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= classifier.n_classes:
        raise ValueError(f"labels must be from 0 to {classifier.n_classes - 1}, not from {lowest} to {highest}.")
