"""When two classifiers are the same."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from neatfool.classifiers.classifier import Classifier

_PLAIN = (bool, int, float, str, type(None))


def fingerprint(classifier: Classifier) -> str:
    """SHA-256, in hexadecimal, over all that decides a classifier's confidences and what they are called.

    That is: its modules' types and settings, its weights, preprocessing, outputs, class names, backend and precision. Its
    device, name and chunk are left out. A module's settings are its public attributes that are numbers, strings, None,
    functions, or tuples of these, and what torch's own modules print of themselves; what a module holds otherwise
    is not seen.
    """
    identity = {
        "modules": [_describe(name, module) for name, module in _named_modules(classifier.module)],
        "weights": weights_hash(classifier.module),
        "preprocessing": classifier.preprocessing(),
        "class_names": classifier.class_names,
        "backend": classifier.backend,
        "precision": classifier.precision,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def same_classifier(one: Classifier, other: Classifier) -> bool:
    """Whether two classifiers are the same in all that `fingerprint` looks at."""
    return one is other or fingerprint(one) == fingerprint(other)


def weights_hash(module: nn.Module) -> str:
    """SHA-256, in hexadecimal, over the names, types, shapes and values of a module's state."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _named_modules(module: nn.Module) -> list[tuple[str, nn.Module]]:
    # A module that occurs twice, such as an activation, is one more step each time.
    return list(module.named_modules(remove_duplicate=False))


def _describe(name: str, module: nn.Module) -> list[Any]:
    kind = type(module)
    settings = {
        key: _plain(value)
        for key, value in vars(module).items()
        if not key.startswith("_") and key != "training" and _is_plain(value)
    }
    printed = module.extra_repr() if kind.__module__.startswith("torch.nn.") else ""
    return [name, _home(kind), kind.__qualname__, printed, settings]


def _home(kind: type[nn.Module]) -> str:
    """The module that defines a type; a script that is run goes by the name it would be imported as."""
    if kind.__module__ != "__main__":
        return kind.__module__
    return Path(getattr(sys.modules["__main__"], "__file__", None) or "__main__").stem


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(part) for part in value)
    return isinstance(value, (*_PLAIN, FunctionType, BuiltinFunctionType))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, _PLAIN) else f"{value.__module__}.{value.__qualname__}"
