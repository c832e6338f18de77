"""Small networks for MNIST.

`lenet-mnist` is LeNet as Caffe defines it, the MNIST network of Nguyen, Yosinski & Clune (2015); its weights come with
the package (see `neatfool.training.loop` for how they were made). `mlp-mnist` has no convolutions, for
experiments on transfer between architectures; its weights are up to the user to train. `density-mnist` is generative,
and `density-mnist-reject` and `density-mnist-typical` are the same model with the class "rejected" (see
`neatfool.models.density`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from neatfool.classifiers.classifier import Classifier
from neatfool.models.density import REJECTED, DensityModel, Rejection


class LeNet(nn.Module):
    """LeNet of Caffe: two convolutions with max-pooling and no activation, then two linear layers.

    Takes float32 (N, 1, 28, 28), returns logits (N, n_classes).
    """

    def __init__(self, n_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, kernel_size=5)
        self.conv2 = nn.Conv2d(20, 50, kernel_size=5)
        self.ip1 = nn.Linear(50 * 4 * 4, 500)
        self.ip2 = nn.Linear(500, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of normalised images."""
        x = torch.max_pool2d(self.conv1(x), 2)
        x = torch.max_pool2d(self.conv2(x), 2)
        x = torch.relu(self.ip1(x.flatten(1)))
        logits: Tensor = self.ip2(x)
        return logits


class Mlp(nn.Module):
    """Two hidden layers of 512 and 256 rectified units.

    Takes float32 (N, 1, 28, 28), returns logits (N, n_classes).
    """

    def __init__(self, n_classes: int = 10) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(28 * 28, 512)
        self.hidden2 = nn.Linear(512, 256)
        self.output = nn.Linear(256, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of normalised images."""
        x = torch.relu(self.hidden1(x.flatten(1)))
        x = torch.relu(self.hidden2(x))
        logits: Tensor = self.output(x)
        return logits


_DENSITIES: dict[str, Rejection] = {
    "density-mnist": "none",
    "density-mnist-reject": "low",
    "density-mnist-typical": "typical",
}
MNIST_MODELS: dict[str, Callable[[int], nn.Module]] = {
    "lenet-mnist": LeNet,
    "mlp-mnist": Mlp,
    **{name: partial(DensityModel, rejection=rejection) for name, rejection in _DENSITIES.items()},
}
_WEIGHTS = Path(__file__).parent / "weights"
SHIPPED_WEIGHTS = {
    "lenet-mnist": _WEIGHTS / "lenet-mnist.safetensors",
    **dict.fromkeys(_DENSITIES, _WEIGHTS / "density-mnist.safetensors"),
}
MNIST_SIZE = 28
DIGITS = tuple(str(digit) for digit in range(10))


def mnist_classes(model: str) -> int:
    """Number of classes of one of `MNIST_MODELS`, the class "rejected" among them."""
    return len(DIGITS) + (_DENSITIES.get(model, "none") != "none")


def mnist_classifier(
    model: str,
    module: nn.Module,
    *,
    class_names: Sequence[str] | None,
    device: str = "auto",
    crops: Literal[1, 10] = 1,
) -> Classifier:
    """A network of this module with its preprocessing: Caffe's scale of 1/256, no mean; none at all for a density.

    Args:
        model: Its name.
        module: One of `MNIST_MODELS`.
        class_names: One name per digit class, without "rejected"; the indices if None.
        device: "auto", "cpu", "cuda" or "cuda:i".
        crops: 1, or 10 for the mean over ten crops.
    """
    density = isinstance(module, DensityModel)
    if isinstance(module, DensityModel) and module.rejection != "none" and class_names is not None:
        class_names = (*class_names, REJECTED)
    return Classifier(
        module,
        input_size=MNIST_SIZE,
        resize_size=MNIST_SIZE,
        channels=1,
        scale=1.0 if density else 1 / 256,
        class_names=class_names,
        crops=crops,
        device=device,
        name=model,
    )
