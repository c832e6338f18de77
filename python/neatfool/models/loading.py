"""From a model's name and its weights to a ready classifier."""

import difflib
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import nn

from neatfool.classifiers.added_class import add_class
from neatfool.classifiers.backends import Backend, Precision
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.layers import last_layer, seeded
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.sources.custom import call_factory
from neatfool.classifiers.sources.torchvision import (
    adapt_state,
    build_zoo_module,
    cached_file,
    download,
    zoo_names,
    zoo_weights,
)
from neatfool.classifiers.state_dict import StateDict, load_weights, own_names, read_weights
from neatfool.errors import ModelError
from neatfool.models.builtin import (
    DIGITS,
    MNIST_MODELS,
    MNIST_SIZE,
    SHIPPED_WEIGHTS,
    mnist_classes,
    mnist_classifier,
)
from neatfool.models.saving import stored_names

log = logging.getLogger(__name__)

Weights = str | os.PathLike[str] | None


class ModelInfo(NamedTuple):
    """A model that `load_classifier` knows by name."""

    name: str
    kind: Literal["built-in", "torchvision"]
    input_size: tuple[int, int, int]
    """Channels, height and width."""
    n_classes: int
    available: bool
    """Whether its own weights are on this machine."""


def load_classifier(
    model: str = "lenet-mnist",
    *,
    weights: Weights = None,
    device: str = "auto",
    crops: Crops = 1,
    backend: Backend = "torch",
    precision: Precision = "float32",
) -> Classifier:
    """Loads a classifier by name.

    Args:
        model: "lenet-mnist", "mlp-mnist", "density-mnist" (or "density-mnist-reject", "density-mnist-typical"), a
            torchvision classification model such as "alexnet", or "package.module:factory", a function of yours that
            returns a `Classifier`.
        weights: None for the model's own (shipped, or downloaded by torchvision), a .safetensors file or a .pth state
            dict, or "none" for an untrained network, which is the same at every call.
        device: "auto", "cpu", "cuda" or "cuda:i".
        crops: 1, or 10 for the mean over ten crops.
        backend: Who runs the network, see `Backend`; a function of yours may have chosen one already.
        precision: What it calculates in, see `Precision`.

    Raises:
        ModelError: There is no such model, its weights are missing or do not fit, or there is no such device.
    """
    if ":" in model:
        classifier = _load_custom(model, weights, device, crops)
    elif model in MNIST_MODELS:
        classifier = _load_mnist(model, weights, device, crops)
    elif model in zoo_names():
        classifier = _load_zoo(model, weights, device, crops)
    else:
        raise _unknown(model)
    classifier.weights = None if weights is None else os.fspath(weights)
    if (backend, precision) != ("torch", "float32"):
        classifier.run_with(backend=backend, precision=precision)
    return classifier


def as_classifier(source: Classifier | str) -> Classifier:
    """A classifier as it is, or loaded by its name.

    Raises:
        ModelError: There is no such model, or this is something else, such as a torch module without its preprocessing.
    """
    if isinstance(source, Classifier):
        return source
    if isinstance(source, str):
        return load_classifier(source)
    kind = type(source).__name__
    if isinstance(source, nn.Module):
        raise ModelError(
            f"{kind} is a bare torch module; pass neatfool.Classifier(module, input_size=..., mean=..., std=...), which "
            "says how images reach it."
        )
    raise ModelError(f"{kind} is no classifier; pass a neatfool.Classifier or the name of a model.")


def list_models() -> list[ModelInfo]:
    """All models that have a name, the built-in ones first."""
    models = [
        ModelInfo(name, "built-in", (1, MNIST_SIZE, MNIST_SIZE), mnist_classes(name), name in SHIPPED_WEIGHTS)
        for name in MNIST_MODELS
    ]
    for name in zoo_names():
        published = zoo_weights(name)
        side = published.transforms().crop_size[0]
        n_classes = len(published.meta["categories"])
        models.append(ModelInfo(name, "torchvision", (3, side, side), n_classes, cached_file(published).exists()))
    return models


def _unknown(model: str) -> ModelError:
    close = difflib.get_close_matches(model.lower(), [*MNIST_MODELS, *zoo_names()], n=3, cutoff=0.5)
    hint = f"close names are {', '.join(close)}" if close else "neatfool models lists all names"
    return ModelError(f"There is no model named {model!r}; {hint}, and package.module:factory names one of your own.")


def _load_mnist(model: str, weights: Weights, device: str, crops: Crops) -> Classifier:
    if weights is None:
        weights = SHIPPED_WEIGHTS.get(model)
    if weights is None:
        raise ModelError(
            f"{model} comes without weights; make some with neatfool train --model {model} and pass them with "
            "--weights FILE, or take an untrained network with --weights none."
        )
    module, class_names = _build(model, MNIST_MODELS[model], weights, DIGITS)
    return mnist_classifier(model, module, class_names=class_names, device=device, crops=crops)


def _load_zoo(model: str, weights: Weights, device: str, crops: Crops) -> Classifier:
    published = zoo_weights(model, None if weights is None else Path(weights))
    recipe: Any = published.transforms()
    build = partial(build_zoo_module, model, initialise=weights == "none")
    module, class_names = _build(
        model, build, download(published) if weights is None else weights, published.meta["categories"]
    )
    return Classifier(
        module,
        input_size=recipe.crop_size[0],
        resize_size=recipe.resize_size[0],
        interpolation=recipe.interpolation.value,
        mean=recipe.mean,
        std=recipe.std,
        class_names=class_names,
        crops=crops,
        device=device,
        name=model,
    )


def _load_custom(model: str, weights: Weights, device: str, crops: Crops) -> Classifier:
    classifier = call_factory(model)
    if classifier.crops != crops and crops != 1:
        raise ModelError(f"{model} was made for one crop; pass crops={crops} to Classifier in the factory.")
    if weights == "none":
        raise ModelError(f"{model} decides on its weights itself; leave out --weights none.")
    if weights is not None:
        state, metadata = read_weights(weights)
        if widened := stored_names(metadata, classifier.n_classes + 1):
            classifier = add_class(classifier, widened[-1], seed=0)
        load_weights(classifier.module, own_names(state, classifier.module), str(weights))
        classifier.run_with()  # a backend may hold a copy of the weights it replaced
    return classifier if device == "auto" else classifier.to(device)


def _build(
    model: str, build: Callable[[int], nn.Module], weights: str | os.PathLike[str], names: Sequence[str]
) -> tuple[nn.Module, Sequence[str] | None]:
    """The module, as wide as its weights ask for, and its class names, None if they are not known."""
    with seeded(0):
        module = build(len(names))
    if weights == "none":
        log.warning("%s is untrained: its weights are random.", model)
        return module, names
    state, metadata = read_weights(weights)
    state = adapt_state(model, own_names(state, module))
    n_classes = _outputs(module, state, len(names))
    if n_classes != len(names):
        with seeded(0):
            module = build(n_classes)
    load_weights(module, state, str(weights))
    return module, stored_names(metadata, n_classes) or (names if n_classes == len(names) else None)


def _outputs(module: nn.Module, state: StateDict, usual: int) -> int:
    """The number of classes in a state dict, read off the layer that gives the module's `usual` number."""
    layer = last_layer(module, usual)
    weight = state.get(f"{layer[0]}.weight") if layer else None
    # A weight of another shape does not fit anyhow, and may say that there are billions of classes.
    if layer is None or weight is None or weight.shape[1:] != layer[1].weight.shape[1:]:
        return usual
    return len(weight)
