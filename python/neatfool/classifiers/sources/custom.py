"""A user's own classifier: a function in an importable module or in a file, with arguments where it takes any."""

import ast
import contextlib
import difflib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from torch import nn

from neatfool.classifiers.added_class import add_class
from neatfool.classifiers.building import Weights
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.saving import stored_names
from neatfool.classifiers.state_dict import load_weights, own_names, read_weights
from neatfool.errors import ModelError, NeatfoolError
from neatfool.shared.text import reason

_SPEC = re.compile(r"(?P<home>.+?):(?P<call>[^\W\d]\w*\s*(\(.*\))?)", re.DOTALL)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_FILE_MODULES = "neatfool_file_"
"""Before the names of files that are imported, so that none of them stands in for a package."""


class Factory(NamedTuple):
    """A function that makes a classifier.

    Attributes:
        home: The module, or the path of the file, that it is in.
        call: Its name, and its arguments in parentheses if there are any.
    """

    home: str
    call: str

    @property
    def is_file(self) -> bool:
        """Whether it is in a file, ending in .py."""
        return self.home.endswith(".py")

    def resolved(self) -> str:
        """The name that means the same from any folder."""
        return f"{Path(self.home).resolve()}:{self.call}" if self.is_file else f"{self.home}:{self.call}"


def find_factory(name: str) -> Factory | None:
    """The factory of a name such as `package.module:factory` or `./file.py:factory(scale=2.0)`; None if it is no such name."""
    found = _SPEC.fullmatch(name.strip())
    if found is None:
        return None
    factory = Factory(found["home"], found["call"])
    return factory if factory.is_file or _MODULE.fullmatch(factory.home) else None


def is_importable(module: str) -> bool:
    """Whether there is a module or package of this name's first part, here or installed; nothing is imported."""
    path = [*sys.path, str(Path.cwd())]
    return importlib.machinery.PathFinder.find_spec(module.partition(".")[0], path) is not None


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
    """Imports a module, also from the current directory, or a file, and calls the factory in it.

    Args:
        spec: `package.module:factory` or `path/to/file.py:factory`, where the factory may have arguments, which are literals.

    Raises:
        ModelError: The module cannot be imported, has no such function, or the function does not return a Classifier.
    """
    factory = find_factory(spec)
    if factory is None:
        raise ModelError(
            f"{spec!r} does not name a classifier; write it as package.module:factory or ./file.py:factory."
        )
    name, arguments, options = _read_call(factory.call, spec)
    folders = [Path.cwd(), Path(factory.home).resolve().parent] if factory.is_file else [Path.cwd()]
    with _importable(folders):
        module = _import_file(factory.home, spec) if factory.is_file else _import_module(factory.home, spec)
        function = getattr(module, name, None)
        if not callable(function):
            known = [known for known, value in vars(module).items() if callable(value) and not known.startswith("_")]
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"close names are {', '.join(close)}" if close else f"check the part of {spec} after the colon"
            raise ModelError(f"{factory.home} has no function {name}; {hint}.")
        try:
            made = function(*arguments, **options)
        except NeatfoolError:
            raise
        except (Exception, SystemExit) as error:
            raise ModelError(f"Calling {spec} failed ({reason(error)}); mend the function or its arguments.") from error
    if isinstance(made, nn.Module):
        raise ModelError(
            f"{spec} returned a bare torch module; return neatfool.Classifier(module, input_size=..., mean=..., "
            "std=...), which says how images reach it."
        )
    if not isinstance(made, Classifier):
        raise ModelError(f"{spec} returned a {type(made).__name__}; return a neatfool.Classifier.")
    return made


def _read_call(call: str, spec: str) -> tuple[str, list[Any], dict[str, Any]]:
    """A function's name and its arguments, which are numbers, texts, None and lists, tuples, sets and dicts of these."""
    if "(" not in call:
        return call, [], {}
    try:
        tree = ast.parse(call, mode="eval").body
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
            raise ValueError("it is no call of a function")
        arguments = [ast.literal_eval(argument) for argument in tree.args]
        options = {str(option.arg): ast.literal_eval(option.value) for option in tree.keywords if option.arg}
        if len(options) != len(tree.keywords):
            raise ValueError("** is not taken")
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ModelError(
            f"The arguments of {spec} cannot be read ({reason(error)}); write literals alone, such as make('a', scale=2.0)."
        ) from error
    return tree.func.id, arguments, options


def _import_module(name: str, spec: str) -> ModuleType:
    if name.partition(".")[0] in sys.stdlib_module_names:
        # A configuration may come from a stranger, and the standard library has functions that end programs.
        raise ModelError(f"{name} is a module of Python itself and has no classifiers; check the model {spec}.")
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"Importing {name} for the model {spec} failed ({reason(error)}); check the name, and run from the folder that "
            "holds it."
        ) from error


def _import_file(path: str, spec: str) -> ModuleType:
    """The module in a file as it is now, under a name that no package has."""
    file = Path(path).resolve()
    if not file.is_file():
        raise ModelError(f"There is no file {path}, where the model {spec} should be; check the path.")
    name = _FILE_MODULES + re.sub(r"\W", "_", file.stem)
    found = importlib.util.spec_from_file_location(name, file)
    if found is None or found.loader is None:
        raise ModelError(f"{path} is no Python file, so the model {spec} cannot be made; check the path.")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look there
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ModelError(f"Running {path} for the model {spec} failed ({reason(error)}); mend the file.") from error
    return module


@contextlib.contextmanager
def _importable(folders: list[Path]) -> Iterator[None]:
    # Last, so that a file in them cannot stand in for an installed package.
    added = [str(folder) for folder in folders]
    sys.path.extend(added)
    try:
        yield
    finally:
        for folder in added:
            with contextlib.suppress(ValueError):
                del sys.path[~sys.path[::-1].index(folder)]
