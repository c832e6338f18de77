"""The classification models of timm, by their timm names, such as `resnet50.a1_in1k`."""

import difflib
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, get_args

from torch import nn

from neatfool.classifiers.building import Weights, build_module
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.layers import seeded
from neatfool.classifiers.preprocessing import Crops, Interpolation
from neatfool.classifiers.sources.hub import hub_or_cache, why_not
from neatfool.classifiers.sources.torchvision import zoo_weights
from neatfool.errors import ModelError

_IMAGENET = 1000


def load_timm(name: str, *, weights: Weights, device: str, crops: Crops) -> Classifier:
    """A model with the preprocessing of its published weights, see `load_classifier`.

    Raises:
        ModelError: timm is not installed, there is no such model, or its weights cannot be fetched or do not fit.
    """
    timm = _timm()
    published = _published(timm, name)
    # Those that only give features, published without classes, get some with a file's weights.
    names = _class_names(timm, published.num_classes or _IMAGENET)
    if weights is None:
        module = _pretrained(timm, name, published)
        known: Sequence[str] | None = names
    else:
        module, known = build_module(f"timm:{name}", partial(_build, timm, name), weights, names)
    recipe = timm.data.resolve_model_data_config(module)
    channels, height, width = recipe["input_size"]
    return Classifier(
        module,
        input_size=(height, width),
        channels=channels,
        **photograph_size(recipe),
        mean=recipe["mean"],
        std=recipe["std"],
        class_names=known,
        crops=crops,
        device=device,
        name=f"timm:{name}",
    )


def photograph_size(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """How photographs are resized before their centre is cropped, as keywords of `Classifier`.

    Args:
        recipe: What timm calls a data configuration.
    """
    height, width = (math.floor(side / recipe["crop_pct"]) for side in recipe["input_size"][1:])
    squeezed = recipe.get("crop_mode") == "squash"
    interpolation = recipe["interpolation"] if recipe["interpolation"] in get_args(Interpolation) else "bilinear"
    return {"resize_size": (height, width) if squeezed else min(height, width), "interpolation": interpolation}


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ModelError(
            "Models of timm need timm; install it with pip install 'neatfool[timm]', or take a model of torchvision."
        ) from error
    return timm


def _published(timm: Any, name: str) -> Any:
    """What timm knows of a model's weights, their tag in the name or the default one.

    Raises:
        ModelError: There is no such model, or it has no weights of that tag.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(name):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=3, cutoff=0.5)
        hint = f"close names are {', '.join(close)}" if close else "timm.list_models() lists all names"
        raise ModelError(f"timm has no model named {architecture!r}; {hint}.")
    try:
        published = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
        raise ModelError(
            f"timm has no weights {tag!r} of {architecture}; there are {', '.join(tags) or 'none'}."
        ) from error
    return published


def _pretrained(timm: Any, name: str, published: Any) -> nn.Module:
    if published.num_classes == 0:
        raise ModelError(
            f"The weights of timm:{name} give features, no classes; pass those of a classifier made of it with --weights FILE."
        )
    try:
        with hub_or_cache(), seeded(0):
            module: nn.Module = timm.create_model(name, pretrained=True)
    except Exception as error:  # of timm, of the hub's client, of the network
        where = f"huggingface.co/{published.hf_hub_id}" if published.hf_hub_id else published.url or "whoever has them"
        raise ModelError(
            f"The weights of timm:{name} cannot be fetched ({why_not(error)}); fetch them from {where} (model.safetensors) and "
            "pass them with --weights FILE, or take an untrained network with --weights none."
        ) from error
    return module


def _build(timm: Any, name: str, n_classes: int) -> nn.Module:
    module: nn.Module = timm.create_model(name, pretrained=False, num_classes=n_classes)
    return module


def _class_names(timm: Any, n_classes: int) -> list[str]:
    if n_classes == _IMAGENET:
        return list(zoo_weights("alexnet").meta["categories"])
    subset = timm.data.infer_imagenet_subset({"num_classes": n_classes})
    if subset is None:
        return [str(index) for index in range(n_classes)]
    names: list[str] = timm.data.ImageNetInfo(subset).label_descriptions()
    return names
