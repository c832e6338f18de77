"""A hierarchy of classes, such as WordNet's over the classes of ImageNet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.errors import DataError
from neatfool.experiments.diversity.distances import overlap

_MAX_BYTES = 64 * 2**20


def hierarchy_similarity(file: str | os.PathLike[str], identifiers: Sequence[str]) -> NDArray[np.float64]:
    """How closely related classes are: the share of groups above two classes that both belong to.

    Args:
        file: text with a parent and its child on every line, separated by a tab, else by the first space, as in
            ImageNet's `wordnet.is_a.txt`. A child may have several parents.
        identifiers: what the classes are called in that file: synset ids or names.

    Returns:
        Jaccard's similarity of the classes' groups (each class counts as a group of its own), shape (K, K), in [0, 1].

    Raises:
        DataError: the file cannot be read, is no hierarchy, or lacks a class.
    """
    parents = _read(Path(file))
    known = set(parents).union(*parents.values())
    missing = [name for name in identifiers if name not in known]
    if missing:
        raise DataError(
            f"{file} lacks {len(missing)} of {len(identifiers)} classes, the first is {missing[0]!r}; if it has synset "
            "ids, give a folder with one folder for each class with --data."
        )
    numbers: dict[str, int] = {}
    return overlap([{numbers.setdefault(name, len(numbers)) for name in _above(one, parents)} for one in identifiers])


def class_identifiers(data: str | os.PathLike[str], classifier: Classifier) -> list[str]:
    """The names of the folders of a data set, one for each class of a classifier, in the order of the classes.

    Raises:
        DataError: there are no such folders, or not as many as classes.
    """
    folder = Path(data)
    names = sorted(part.name for part in folder.iterdir() if part.is_dir()) if folder.is_dir() else []
    if len(names) != classifier.n_classes:
        raise DataError(
            f"{folder} has {len(names)} class folders but {classifier.name} has {classifier.n_classes} classes; give "
            "the folder that has one folder for each class."
        )
    return names


def _above(name: str, parents: dict[str, set[str]]) -> list[str]:
    """A class and all groups above it."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found[current] = None
            waiting.extend(sorted(parents.get(current, ())))
    return list(found)


def _read(path: Path) -> dict[str, set[str]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(
                f"{path} is larger than 64 MiB; give a text file with a parent and its child on every line."
            )
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The hierarchy {path} cannot be read ({error}); give a text file.") from error
    parents: dict[str, set[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parent, separator, child = line.strip().partition("\t" if "\t" in line else " ")
        if not separator or not child.strip():
            raise DataError(
                f"{path}, line {number}, does not hold a parent and its child, separated by a tab or space."
            )
        parents.setdefault(child.strip(), set()).add(parent.strip())
    if not parents:
        raise DataError(f"{path} is empty; give a text file with a parent and its child on every line.")
    return parents
