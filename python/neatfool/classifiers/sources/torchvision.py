"""The classification models of torchvision, by their torchvision names. It is imported late, because that takes long."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from functools import partial
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import urlopen

import torch
from torch import nn

from neatfool.classifiers.building import Weights, build_module
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.state_dict import StateDict
from neatfool.errors import ModelError
from neatfool.shared.progress import Progress, listener

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

log = logging.getLogger(__name__)

_SECONDS_WITHOUT_DATA = 20.0
_MB = 1_000_000


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
    import torchvision

    return sorted(torchvision.models.list_models(module=torchvision.models))


def build_zoo_module(name: str, n_classes: int, *, initialise: bool) -> nn.Module:
    """Builds a model without weights.

    The auxiliary classifiers of GoogLeNet and Inception, used only in training, are left out.

    Args:
        name: One of `zoo_names()`.
        n_classes: Number of outputs.
        initialise: Whether to spend time on the model's own initialisation, which loaded weights make needless.
    """
    import torchvision

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
    import torchvision

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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(weights.url, path)
        except (OSError, HTTPException, ValueError) as error:
            raise ModelError(
                f"Cannot download the weights {path.name} ({error}): put that file into {path.parent}, or name other "
                "weights with --weights FILE, or take an untrained network with --weights none."
            ) from error
    return path


def _fetch(url: str, path: Path) -> None:
    """Downloads a file, which is there whole or not at all, and tells the listener, or a log, of it."""
    tell = listener()
    if tell is None:
        log.warning("Downloading %s to %s.", url, path)
    digest = re.search(r"-([0-9a-f]+)\.pth$", path.name)
    found, received = sha256(), 0
    with (
        urlopen(url, timeout=_SECONDS_WITHOUT_DATA) as answer,  # noqa: S310  # torchvision's own address
        TemporaryDirectory(dir=path.parent) as unfinished,
    ):
        stated = int(answer.headers.get("Content-Length") or 0)
        with (Path(unfinished) / path.name).open("wb") as file:
            while block := answer.read(_MB):
                file.write(block)
                found.update(block)
                received += len(block)
                if tell is not None:
                    total = max(stated, received) // _MB if stated else None
                    tell(Progress(task=f"downloading {path.name}", unit="MB", done=received // _MB, total=total))
        if stated > received or (digest and not found.hexdigest().startswith(digest[1])):
            raise ValueError("what came is not what was published")
        (Path(unfinished) / path.name).replace(path)


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
