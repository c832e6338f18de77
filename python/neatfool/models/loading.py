"""From a model's name and its weights to a ready classifier."""

import os
from importlib import import_module
from typing import Literal, NamedTuple

from torch import nn

from neatfool.classifiers.backends import Backend, Precision
from neatfool.classifiers.building import Weights
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.labels import Labels, read_labels
from neatfool.classifiers.names import settle_names
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.sources.torchvision import cached_file, zoo_names, zoo_weights
from neatfool.errors import ModelError
from neatfool.models.builtin import MNIST_MODELS, MNIST_SIZE, SHIPPED_WEIGHTS, mnist_classes
from neatfool.models.naming import find_source, resolve_name


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
    labels: Labels = None,
) -> Classifier:
    """Loads a classifier by name.

    Args:
        model: "lenet-mnist", "mlp-mnist", "density-mnist" (or "density-mnist-reject", "density-mnist-typical"), a
            torchvision classification model such as "alexnet"; "timm:resnet50.a1_in1k"; "hf:OWNER/NAME" or "hf:./folder", a
            model of transformers; "clip:ViT-B-32", a zero-shot classifier of `labels`; a function of yours that returns a
            `Classifier`, as "package.module:factory" or "path/to/file.py:factory(scale=2.0)" with literals as arguments; or a
            model file: .onnx, .xml (OpenVINO), .pt2 (torch.export), .pt, .ts or .torchscript (TorchScript). Functions, .pt2
            and TorchScript files can run any code.
        weights: None for the model's own (shipped, or fetched as torchvision publishes it), a .safetensors file, a .pth state
            dict or a checkpoint that holds one, or "none" for an untrained network, which is the same at every call.
        device: "auto", "cpu", "cuda" or "cuda:i".
        crops: 1, or 10 for the mean over ten crops.
        backend: Who runs the network, see `Backend`; a function of yours may have chosen one already. ONNX and OpenVINO files
            take no choice.
        precision: What it calculates in, see `Precision`.
        labels: The classes' names in their order: a text file with one name a line, or a list. CLIP needs them; other
            classifiers are renamed.

    Raises:
        ModelError: There is no such model, its weights or labels are missing or do not fit, or there is no such device.
    """
    source, rest = find_source(model)
    chosen = (backend, precision) != ("torch", "float32")
    if source.runs_itself and chosen:
        raise ModelError(f"{model} is run by OpenVINO, in float32; leave out --backend and --precision.")
    load = getattr(import_module(source.module), source.function)
    given = {"labels": labels} if source.labels else {}
    classifier: Classifier = load(rest, weights=weights, device=device, crops=crops, **given)
    if labels is not None:
        classifier.class_names = settle_names(read_labels(labels), classifier.n_classes, model)
        classifier.labels = os.fspath(labels) if isinstance(labels, str | os.PathLike) else tuple(labels)
    classifier.source = resolve_name(model)
    classifier.weights = None if weights is None else os.fspath(weights)
    if chosen:
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
