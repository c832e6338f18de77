"""The networks that have a name here, all of them for MNIST, with their weights and preprocessing.

`lenet-mnist` is the MNIST network of Nguyen, Yosinski & Clune (2015); its weights come with the package (see
`neatfool.training.loop` for how they were made). `mlp-mnist` has no convolutions, for experiments on transfer between
architectures; its weights are up to the user to train. `density-mnist` is generative, and `density-mnist-reject` and
`density-mnist-typical` are the same model with the class "rejected" (see `neatfool.models.density`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from torch import nn

from neatfool.classifiers import Classifier
from neatfool.classifiers.building import Weights, build_module
from neatfool.classifiers.preprocessing import Crops
from neatfool.errors import ModelError
from neatfool.models.density import REJECTED, DensityModel, Rejection
from neatfool.models.lenet import LeNet
from neatfool.models.mlp import Mlp

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


def load_builtin(name: str, *, weights: Weights, device: str, crops: Crops) -> Classifier:
    """One of `MNIST_MODELS`, see `load_classifier`.

    Raises:
        ModelError: It has no weights of its own, or others do not fit.
    """
    if weights is None:
        weights = SHIPPED_WEIGHTS.get(name)
    if weights is None:
        raise ModelError(
            f"{name} comes without weights; make some with neatfool train --model {name} and pass them with "
            "--weights FILE, or take an untrained network with --weights none."
        )
    module, class_names = build_module(name, MNIST_MODELS[name], weights, DIGITS)
    return mnist_classifier(name, module, class_names=class_names, device=device, crops=crops)


def mnist_classes(model: str) -> int:
    """Number of classes of one of `MNIST_MODELS`, the class "rejected" among them."""
    return len(DIGITS) + (_DENSITIES.get(model, "none") != "none")


def mnist_classifier(
    model: str,
    module: nn.Module,
    *,
    class_names: Sequence[str] | None,
    device: str = "auto",
    crops: Crops = 1,
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
