"""What the name of a model says: which source it comes from, and whether loading it runs code."""

import difflib
from pathlib import Path
from typing import NamedTuple

from neatfool.classifiers.sources.custom import find_factory, is_importable
from neatfool.classifiers.sources.hub import is_folder
from neatfool.classifiers.sources.torchvision import zoo_names
from neatfool.errors import ModelError
from neatfool.models.builtin import MNIST_MODELS


class Source(NamedTuple):
    """A kind of model that a name can stand for.

    Attributes:
        module: Where its loader is; imported when it is first used.
        function: The loader, which takes a name and the keywords weights, device and crops, and returns a `Classifier`.
        code: Whether loading may run code of whoever made the model.
        labels: Whether its loader also takes labels, without which there are no classes.
        runs_itself: Whether it has a way of its own through the network, so that backend and precision cannot be chosen.
    """

    module: str
    function: str
    code: bool = False
    labels: bool = False
    runs_itself: bool = False


_BUILT_IN = Source("neatfool.models.builtin", "load_builtin")
_TORCHVISION = Source("neatfool.classifiers.sources.torchvision", "load_torchvision")
_CUSTOM = Source("neatfool.classifiers.sources.custom", "load_custom", code=True)

PREFIXES: dict[str, Source] = {
    "timm": Source("neatfool.classifiers.sources.timm", "load_timm"),
    "hf": Source("neatfool.classifiers.sources.hf", "load_hf"),
    "clip": Source("neatfool.classifiers.sources.clip", "load_clip", labels=True),
}
"""By what a name has before its first colon; the loader gets what comes after it."""

_OPENVINO = Source("neatfool.classifiers.sources.openvino", "load_openvino", runs_itself=True)
_TORCHSCRIPT = Source("neatfool.classifiers.sources.torchscript", "load_torchscript", code=True)

SUFFIXES: dict[str, Source] = {
    ".onnx": _OPENVINO,
    ".xml": _OPENVINO,
    ".pt2": Source("neatfool.classifiers.sources.exported", "load_exported", code=True),
    **dict.fromkeys((".pt", ".ts", ".torchscript"), _TORCHSCRIPT),
}
"""By the end of a file's name, in lower case; the loader gets the path."""


def find_source(name: str) -> tuple[Source, str]:
    """Where a model comes from, and what its loader is to be given.

    Raises:
        ModelError: There is no such model.
    """
    prefix, colon, rest = name.partition(":")
    if colon and prefix in PREFIXES:
        return PREFIXES[prefix], rest
    if source := SUFFIXES.get(_suffix(name)):
        return source, name
    factory = find_factory(name)
    if factory and (factory.is_file or is_importable(factory.home) or not _close_prefixes(prefix)):
        return _CUSTOM, name
    if name in MNIST_MODELS:
        return _BUILT_IN, name
    if name in zoo_names():
        return _TORCHVISION, name
    raise _unknown(name)


def runs_code(name: str) -> bool:
    """Whether loading the model of a name may run code that came with it, or that the name alone chooses."""
    try:
        return find_source(name)[0].code
    except ModelError:
        return ":" in name


def resolve_name(name: str) -> str:
    """A model's name as a run remembers it: a file is found again from any working directory."""
    prefix, colon, rest = name.partition(":")
    if colon and prefix in PREFIXES:
        return f"hf:{Path(rest).expanduser().resolve()}" if prefix == "hf" and is_folder(rest) else name
    if _suffix(name) in SUFFIXES:
        return str(Path(name).resolve())
    factory = find_factory(name)
    return factory.resolved() if factory else name


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _close_prefixes(prefix: str) -> list[str]:
    return difflib.get_close_matches(prefix.lower(), PREFIXES, n=1, cutoff=0.6)


def _unknown(name: str) -> ModelError:
    own = "package.module:factory or ./file.py:factory names one of your own"
    prefix, colon, _ = name.partition(":")
    if colon:
        close = _close_prefixes(prefix)
        hint = (
            f"did you mean {close[0]}:" if close else f"what a name can begin with: {', '.join(PREFIXES) or 'nothing'}"
        )
        return ModelError(f"There is no kind of model {prefix}: for {name!r}; {hint}, and {own}.")
    if _suffix(name) in (".pth", ".safetensors"):
        return ModelError(
            f"{name} is a file of weights; pass it with --weights, and with --model the network it is for."
        )
    if _suffix(name) == ".py":
        return ModelError(f"{name} is a file; name the function in it that makes the classifier, as in {name}:make.")
    close = difflib.get_close_matches(name.lower(), [*MNIST_MODELS, *zoo_names()], n=3, cutoff=0.5)
    hint = f"close names are {', '.join(close)}" if close else "neatfool models lists all names"
    return ModelError(f"There is no model named {name!r}; {hint}, and {own}.")
