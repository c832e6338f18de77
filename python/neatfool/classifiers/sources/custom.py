"""A user's own classifier, named as `package.module:factory`."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from neatfool.classifiers.added_class import add_class
from neatfool.classifiers.building import Weights
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.saving import stored_names
from neatfool.classifiers.state_dict import load_weights, own_names, read_weights
from neatfool.errors import ModelError, NeatfoolError
from neatfool.shared.text import reason


def is_factory(name: str) -> bool:
    """Whether a model's name is of the form `package.module:factory`."""
    module, colon, factory = name.partition(":")
    return bool(colon) and (factory.isidentifier() or not factory or not module)


def load_custom(spec: str, *, weights: Weights, device: str, crops: Crops) -> Classifier:
    """What a factory makes, with other weights if there are any, see `load_classifier`.

    Raises:
        ModelError: There is no such factory, it does not return a Classifier, or the weights do not fit.
    """
    classifier = call_factory(spec)
    if classifier.crops != crops and crops != 1:
        raise ModelError(f"{spec} was made for one crop; pass crops={crops} to Classifier in the factory.")
    if weights == "none":
        raise ModelError(f"{spec} decides on its weights itself; leave out --weights none.")
    if weights is not None:
        state, metadata = read_weights(weights)
        if widened := stored_names(metadata, classifier.n_classes + 1):
            classifier = add_class(classifier, widened[-1], seed=0)
        load_weights(classifier.module, own_names(state, classifier.module), str(weights))
        classifier.run_with()  # a backend may hold a copy of the weights it replaced
    return classifier if device == "auto" else classifier.to(device)


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
