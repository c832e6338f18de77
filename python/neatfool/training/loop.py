"""Training small classifiers, and training them further.

The recipe, which also made the weights of `lenet-mnist` that come with the package: cross-entropy, SGD with Nesterov
momentum 0.9, weight decay 5e-4, batches of 100 in a new random order every epoch, a learning rate that falls from 0.05
to 0 along half a cosine, torch's default initialisation. The generative `density-mnist` has its own (see
`neatfool.models.density.fit_density`).

The same seed gives the same weights on the same machine with the same number of threads and release of torch. Another
number of threads adds up gradients in another order, so the weights then differ in their last bits, and so do, after an
epoch, the accuracies by about as much as between two seeds.
"""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.layers import seeded
from neatfool.classifiers.state_dict import write_weights
from neatfool.data.datasets import LabelledImages
from neatfool.errors import ConfigError, ModelError
from neatfool.models.density import DensityModel, fit_density
from neatfool.models.mnist import DIGITS, MNIST_MODELS, mnist_classifier
from neatfool.training.accuracy import accuracy


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


def train_classifier(
    model: str,
    images: Tensor,
    labels: Tensor,
    *,
    settings: TrainingSettings | None = None,
    test: LabelledImages | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[Classifier, list[Epoch]]:
    """Trains a built-in network from scratch.

    Args:
        model: "lenet-mnist", "mlp-mnist" or "density-mnist".
        images: uint8 (N, 1, 28, 28).
        labels: Integers (N,) in 0 to 9.
        settings: The recipe; the one above if None. A density model is fitted in another way (see `fit_density`) and looks
            only at `epochs`, here iterations of expectation-maximisation, and `seed`.
        test: Images to measure the accuracy on after every epoch.
        device: "auto", "cpu", "cuda" or "cuda:i".
        progress: Called after every epoch.

    Returns:
        The classifier, and what every epoch came to.

    Raises:
        ConfigError: There are too few images for a density model, or none of some class.
        ModelError: The model has another name.
        ValueError: Images or labels have a wrong shape, type or range.
    """
    if model not in MNIST_MODELS:
        raise ModelError(f"Only {', '.join(MNIST_MODELS)} can be trained from scratch here, not {model!r}.")
    settings = settings or TrainingSettings()
    with seeded(settings.seed):
        module = MNIST_MODELS[model](len(DIGITS))
    classifier = mnist_classifier(model, module, class_names=DIGITS, device=device)
    if isinstance(module, DensityModel):
        return classifier, _fit_density(classifier, module, images, labels, settings, test, progress)
    return classifier, fit(classifier, images, labels, settings=settings, test=test, progress=progress)


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
    _check(classifier, images, labels)
    module, device = classifier.module, classifier.device
    history = []

    def batch_loss(chosen: Tensor) -> Tensor:
        module.train()
        outputs = module(classifier.normalise(images[chosen].to(device)))
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


def _fit_density(
    classifier: Classifier,
    module: DensityModel,
    images: Tensor,
    labels: Tensor,
    settings: TrainingSettings,
    test: LabelledImages | None,
    progress: Progress | None,
) -> list[Epoch]:
    _check(classifier, images, labels)
    history = []

    def on_epoch(epoch: int, bits: float) -> None:
        history.append(Epoch(epoch, bits, accuracy(classifier, test).top1 if test else None))
        if progress:
            progress(history[-1])

    fit_density(module, images, labels, epochs=settings.epochs, seed=settings.seed, on_epoch=on_epoch)
    return history


def save_classifier(classifier: Classifier, path: str | os.PathLike[str], *, notes: Mapping[str, str]) -> None:
    """Writes a classifier's weights as safetensors, for `load_classifier(name, weights=path)`.

    Args:
        classifier: What to save.
        path: File to write, ending in .safetensors.
        notes: What should be known about the weights, such as how they were made and their accuracy.

    Raises:
        ModelError: The file cannot be written.
    """
    names = json.dumps(list(classifier.class_names))
    write_weights(path, classifier.module, {"model": classifier.name, "class_names": names, **notes})


def _check(classifier: Classifier, images: Tensor, labels: Tensor) -> None:
    if classifier.outputs != "logits":
        raise ModelError(f"{classifier.name} returns probabilities; remove its softmax to train it on its logits.")
    wanted = (classifier.channels, *classifier.input_size)
    if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[1:]) != wanted or not len(images):
        raise ValueError(f"images must be uint8 of shape (N, {wanted[0]}, {wanted[1]}, {wanted[2]}) with N above 0.")
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(f"labels must be {len(images)} integers, one per image.")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= classifier.n_classes:
        raise ValueError(f"labels must be from 0 to {classifier.n_classes - 1}, not from {lowest} to {highest}.")
