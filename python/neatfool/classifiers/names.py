"""Classes by index, by name, and by part of a name."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from neatfool.errors import ModelError

Classes = str | int | Iterable[str | int]
"""Classes as a user writes them: an index, a text such as "0-4,9,goldfish", or several of these."""


def find_class(class_names: Sequence[str], name: str | int, *, model: str = "the model") -> int:
    """The index of a class.

    Args:
        class_names: The names of all classes, by index.
        name: An index, a class name, or a part of exactly one class name, in any case.
        model: What to call the classifier in messages.

    Raises:
        ModelError: There is no such class, or several.
    """
    if isinstance(name, str) and not name.strip().isdecimal():
        return _index_of(class_names, name.strip(), model)
    index = int(name)
    if not 0 <= index < len(class_names):
        raise ModelError(f"{model} has no class {index}: its classes are 0 to {len(class_names) - 1}.")
    return index


def find_classes(class_names: Sequence[str], wanted: Classes, *, model: str = "the model") -> list[int]:
    """The indices of several classes, each once, in the order written.

    Args:
        class_names: The names of all classes, by index.
        wanted: An index, or a text of indices, ranges, names and parts of names with commas between them, or several of
            these. A text that is a class name as it stands is that class, commas and all.
        model: What to call the classifier in messages.

    Raises:
        ModelError: A part names no class, or several, or there are no parts.
    """
    parts = [wanted] if isinstance(wanted, str | int | np.integer) else list(wanted)
    if not parts:
        raise ModelError(f"No class of {model} is named; give at least one, such as 0 or 0-{len(class_names) - 1}.")
    found: list[int] = []
    for part in parts:
        if isinstance(part, str):
            found.extend(_listed(class_names, part, model))
        elif isinstance(part, int | np.integer) and not isinstance(part, bool):
            found.append(find_class(class_names, int(part), model=model))
        else:
            raise ModelError(f"A class of {model} is an index or a name, not {part!r}.")
    return list(dict.fromkeys(found))


def settle_names(class_names: Sequence[str] | None, n_classes: int, model: str) -> tuple[str, ...]:
    """One name per class: the indices if none are given, and with its index where a name occurs twice.

    Raises:
        ModelError: There are more names than classes, or fewer.
    """
    if class_names is None:
        return tuple(str(index) for index in range(n_classes))
    if len(class_names) != n_classes:
        raise ModelError(f"{model} has {n_classes} classes but {len(class_names)} class names were given.")
    counts = Counter(class_names)
    return tuple(f"{name} ({index})" if counts[name] > 1 else name for index, name in enumerate(class_names))


def _listed(class_names: Sequence[str], text: str, model: str) -> list[int]:
    if text in class_names and not text.isdecimal():
        return [class_names.index(text)]
    found: list[int] = []
    for part in (part.strip() for part in text.split(",")):
        span = re.fullmatch(r"(\d+)\s*-\s*(\d+)", part)
        if span:
            first, last = (find_class(class_names, end, model=model) for end in span.groups())
            if last < first:
                raise ModelError(f"The class range {part} runs backwards; write it as {last}-{first}.")
            found.extend(range(first, last + 1))
        else:
            found.append(find_class(class_names, part, model=model))
    return found


def _index_of(class_names: Sequence[str], name: str, model: str) -> int:
    folded = [known.casefold() for known in class_names]
    wanted = name.casefold()
    found = [index for index, known in enumerate(folded) if known == wanted]
    if not found and wanted:
        found = [index for index, known in enumerate(folded) if wanted in known]
    if len(found) == 1:
        return found[0]
    if found:
        few = ", ".join(f"{class_names[index]} ({index})" for index in found[:5])
        more = ", ..." if len(found) > 5 else ""
        raise ModelError(f"{len(found)} classes of {model} match {name!r}: {few}{more}; name one or its index.")
    close = [folded.index(known) for known in difflib.get_close_matches(wanted, folded, n=4, cutoff=0.5)]
    few = ", ".join(f"{class_names[index]} ({index})" for index in close)
    hint = f"close names are {few}" if few else f"use an index from 0 to {len(class_names) - 1} or part of a name"
    raise ModelError(f"{model} has no class named {name!r}; {hint}.")
