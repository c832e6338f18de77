"""Classes in nested groups, from a file or as ImageNet has them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neatfool.classifiers import find_classes
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.shared.files import MIB, parse_json, read_bytes
from neatfool.shared.text import printable

_LIMIT = 16 * MIB
_DEEPEST = 8
_MOST_GROUPS = 5_000
_LONGEST = 120
_ALIKE = 0.9
"""Parts of the names that are ImageNet's where the classes are; publishers spell some of them differently."""

_IMAGENET = Path(__file__).parent / "imagenet.json"


@dataclass
class Group:
    """Classes that belong together.

    Attributes:
        name: what they are.
        classes: indices of those that are in none of its groups.
        groups: finer ones.
    """

    name: str
    classes: list[int] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {"name": self.name, "classes": self.classes, "groups": [group.summary() for group in self.groups]}


def read_hierarchy(path: Path, class_names: Sequence[str]) -> list[Group]:
    """The groups in a file, which may come from a stranger.

    Args:
        path: JSON, groups by name: ``{"animal": {"dog": [151, "152-160"], "cat": "tabby, lynx"}}``; or CSV, a line for each
            class, which is followed by its groups from the widest to the finest: ``tabby,animal,cat``.
        class_names: of all classes. Classes are named as everywhere, by index, range or (part of a) name.

    Raises:
        ConfigError: there is no such file, or it does not put each class into one group at most.
    """
    if not path.is_file():
        raise ConfigError(f"There is no file {path}; check the path given as hierarchy.")
    try:
        text = read_bytes(path, _LIMIT).decode("utf-8-sig")
        root = (_from_csv if path.suffix.lower() == ".csv" else _from_json)(text, class_names)
    except (RunError, ModelError, ConfigError, ValueError, csv.Error) as error:
        raise ConfigError(
            f"The hierarchy in {path} cannot be used: {error} Write nested JSON such as "
            '{"animal": {"dog": "151-268", "cat": [281, 282]}}, or CSV lines such as 281,animal,cat.'
        ) from error
    return root.groups


def imagenet_hierarchy(class_names: Sequence[str]) -> list[Group] | None:
    """ImageNet's classes in groups; None if the classes are others.

    The 1,000 classes come in the order of WordNet's groups for animals, plants and food; artefacts come by the alphabet.
    """
    from torchvision.models import AlexNet_Weights

    known = AlexNet_Weights.IMAGENET1K_V1.meta["categories"]
    if len(class_names) != len(known):
        return None
    pairs = zip(class_names, known, strict=True)
    # Some publishers name all synonyms: "tench, Tinca tinca".
    alike = sum(one.partition(",")[0].casefold() == other.casefold() for one, other in pairs)
    if alike < _ALIKE * len(known):
        return None
    return _from_json(_IMAGENET.read_text(encoding="utf-8"), class_names).groups


def _from_json(text: str, class_names: Sequence[str]) -> Group:
    try:
        values = parse_json(text)
    except ValueError as error:
        raise ConfigError(f"it is not valid JSON ({error}).") from error
    root, builder = Group(""), _Builder(class_names)

    def fill(group: Group, content: Any, path: tuple[str, ...]) -> None:
        if isinstance(content, Mapping):
            for name, inner in content.items():
                fill(builder.inside(group, name, path), inner, (*path, name))
        elif path and isinstance(content, list | str | int):
            builder.put(group, find_classes(class_names, content), path)
        else:
            raise ConfigError(f"{_place(path)} holds {json.dumps(content)[:40]} instead of groups or classes.")

    fill(root, values, ())
    return root


def _from_csv(text: str, class_names: Sequence[str]) -> Group:
    root, builder = Group(""), _Builder(class_names)
    for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), 1):
        wanted, *path = [cell.strip() for cell in row] or [""]
        while path and not path[-1]:
            path.pop()
        if not wanted and not path:
            continue
        if number == 1 and wanted.casefold() == "class" and wanted not in class_names:
            continue
        if not path:
            raise ConfigError(f"line {number} names no group after its class.")
        group = root
        for depth, name in enumerate(path):
            group = builder.inside(group, name, tuple(path[:depth]))
        builder.put(group, find_classes(class_names, wanted), tuple(path))
    return root


class _Builder:
    """Makes groups and puts classes into them, each once."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._names = class_names
        self._groups: dict[tuple[str, ...], Group] = {}
        self._owners: dict[int, tuple[str, ...]] = {}

    def inside(self, group: Group, name: str, path: tuple[str, ...]) -> Group:
        """The group of a name inside another, whose names are `path`."""
        inner = (*path, name)
        if inner not in self._groups:
            if not name.strip() or len(name) > _LONGEST:
                raise ConfigError(f"{_place(path)} has a group whose name is empty or longer than {_LONGEST} letters.")
            if len(path) >= _DEEPEST or len(self._groups) >= _MOST_GROUPS:
                raise ConfigError(f"more than {_MOST_GROUPS:,} groups, or more than {_DEEPEST} inside one another.")
            self._groups[inner] = Group(printable(name.strip()))
            group.groups.append(self._groups[inner])
        return self._groups[inner]

    def put(self, group: Group, classes: Sequence[int], path: tuple[str, ...]) -> None:
        """Puts classes into a group."""
        for index in classes:
            if index in self._owners:
                raise ConfigError(
                    f"class {index}, {self._names[index]}, is in {_place(self._owners[index])} and in {_place(path)}."
                )
            self._owners[index] = path
            group.classes.append(index)


def _place(path: Sequence[str]) -> str:
    return " > ".join(path) or "the file"
