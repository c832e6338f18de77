"""A user's own classifier, named as `package.module:factory`."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from neatfool.classifiers.classifier import Classifier
from neatfool.errors import ModelError, NeatfoolError
from neatfool.shared.text import reason


def call_factory(spec: str) -> Classifier:
    """Imports `package.module`, also from the current directory, and calls `factory()`, which returns a Classifier.

    Raises:
        ModelError: The module cannot be imported, has no such function, or the function does not return a Classifier.
    """
    module_name, _, factory_name = spec.partition(":")
    if not module_name or not factory_name:
        raise ModelError(f"{spec!r} does not name a classifier; write it as package.module:factory.")
    if module_name.partition(".")[0] in sys.stdlib_module_names:
        # A configuration may come from a stranger, and the standard library has functions that end programs.
        raise ModelError(f"{module_name} is a module of Python itself and has no classifiers; check the model {spec}.")
    with _current_directory_importable():
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:
            raise ModelError(
                f"Importing {module_name} for the model {spec} failed ({reason(error)}); check the "
                "name, and run from the folder that holds it."
            ) from error
        factory = getattr(module, factory_name, None)
        if not callable(factory):
            raise ModelError(f"{module_name} has no function {factory_name}; check the part of {spec} after the colon.")
        try:
            made = factory()
        except NeatfoolError:
            raise
        except (Exception, SystemExit) as error:
            raise ModelError(f"Calling {spec} failed ({reason(error)}); mend the function.") from error
    if isinstance(made, nn.Module):
        raise ModelError(
            f"{spec} returned a bare torch module; return neatfool.Classifier(module, input_size=..., mean=..., "
            "std=...), which says how images reach it."
        )
    if not isinstance(made, Classifier):
        raise ModelError(f"{spec} returned a {type(made).__name__}; return a neatfool.Classifier.")
    return made


@contextlib.contextmanager
def _current_directory_importable() -> Iterator[None]:
    # Last, so that a file in it cannot stand in for an installed package.
    folder = str(Path.cwd())
    sys.path.append(folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            del sys.path[~sys.path[::-1].index(folder)]
