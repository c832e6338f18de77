"""The classification models of torchvision, by their torchvision names."""

import contextlib
import logging
import re
import socket
import sys
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
import torchvision
from torch import nn
from torchvision.models import WeightsEnum

from neatfool.classifiers.building import Weights, build_module
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.state_dict import StateDict
from neatfool.errors import ModelError

log = logging.getLogger(__name__)

_SECONDS_WITHOUT_DATA = 20.0


def load_torchvision(name: str, *, weights: Weights, device: str, crops: Crops) -> Classifier:
    """One of `zoo_names()` with the preprocessing and classes of its published weights, see `load_classifier`.

    Raises:
        ModelError: The weights cannot be fetched, or do not fit.
    """
    published = zoo_weights(name, None if weights is None else Path(weights))
    recipe: Any = published.transforms()
    module, class_names = build_module(
        name,
        partial(build_zoo_module, name, initialise=weights == "none"),
        download(published) if weights is None else weights,
        published.meta["categories"],
        adapt=partial(adapt_state, name),
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
        name=name,
    )


def zoo_names() -> list[str]:
    """The names of all models, sorted."""
    return sorted(torchvision.models.list_models(module=torchvision.models))


def build_zoo_module(name: str, n_classes: int, *, initialise: bool) -> nn.Module:
    """Builds a model without weights.

    The auxiliary classifiers of GoogLeNet and Inception, used only in training, are left out.

    Args:
        name: One of `zoo_names()`.
        n_classes: Number of outputs.
        initialise: Whether to spend time on the model's own initialisation, which loaded weights make needless.
    """
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "transform_input": True, "init_weights": initialise}
    elif name.startswith("vgg"):
        options = {"init_weights": initialise}
    module: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=n_classes, **options)
    return module


def zoo_weights(name: str, file: Path | None = None) -> WeightsEnum:
    """The published weights whose preprocessing and class names apply.

    Without a file, torchvision's default. With one, the published weights of that file name, else the model's first:
    the plain ImageNet recipe wherever there is one.
    """
    published = torchvision.models.get_model_weights(name)
    if file is None:
        default: WeightsEnum = published.DEFAULT
        return default
    members = list(published)
    return next((weights for weights in members if file_name(weights) == file.name), members[0])


def file_name(weights: WeightsEnum) -> str:
    """The name of the file that torchvision publishes the weights as."""
    return Path(urlparse(weights.url).path).name


def cached_file(weights: WeightsEnum) -> Path:
    """Where torch keeps the weights once they are downloaded."""
    return Path(torch.hub.get_dir()) / "checkpoints" / file_name(weights)


def download(weights: WeightsEnum) -> Path:
    """The cached weights file, fetched first, and checked against the hash in its name, if it is not there yet.

    Raises:
        ModelError: The file cannot be fetched.
    """
    path = cached_file(weights)
    if not path.exists():
        log.info("Downloading %s to %s.", weights.url, path)
        digest = re.search(r"-([0-9a-f]+)\.pth$", path.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _impatient_sockets():
                torch.hub.download_url_to_file(
                    weights.url, str(path), digest[1] if digest else None, progress=sys.stderr.isatty()
                )
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"Cannot download the weights {path.name} ({error}): put that file into {path.parent}, or name other "
                "weights with --weights FILE, or take an untrained network with --weights none."
            ) from error
    return path


def adapt_state(name: str, state: StateDict) -> StateDict:
    """Published state dicts under the names of today's modules, without auxiliary classifiers."""
    adapted: StateDict = OrderedDict()
    for key, value in state.items():
        if name in ("googlenet", "inception_v3") and key.startswith(("aux1.", "aux2.", "AuxLogits.")):
            continue
        if name.startswith("densenet"):
            key = re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key)
        adapted[key] = value
    if hasattr(state, "_metadata"):
        adapted._metadata = state._metadata  # type: ignore[attr-defined]
    return adapted


@contextlib.contextmanager
def _impatient_sockets() -> Iterator[None]:
    """Makes a connection that stops giving data fail soon instead of never."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_WITHOUT_DATA)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
