"""Bounded reads and atomic writes. Whatever lies in a run folder may come from a stranger."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from neatfool.errors import RunError

MIB = 2**20
_WINDOWS = os.name == "nt"


def check_file(path: Path, limit: int) -> None:
    """Raise RunError unless ``path`` is a regular file of at most ``limit`` bytes."""
    if not path.exists():
        raise RunError(f"{path} is missing; the run folder is incomplete.")
    if not path.is_file():
        raise RunError(f"{path} is not a regular file; the run folder is damaged.")
    if (size := path.stat().st_size) > limit:
        raise RunError(f"{path} has {size:,} bytes, more than the {limit:,} such a file may have; it is not ours.")


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a file of at most ``limit`` bytes; RunError if it is missing, too large or unreadable."""
    check_file(path, limit)
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}.") from error


def parse_json(text: bytes | str) -> Any:
    """``json.loads`` that raises ValueError, and nothing else, for every text that is not strict JSON."""
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON (no NaN); numpy scalars and arrays become numbers and lists, paths become strings."""
    return json.dumps(value, indent=indent, allow_nan=False, default=_plain)


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a temporary file's path beside ``path`` to fill, then rename that file over ``path``.

    A reader, or a process killed at any moment, sees the old content or the new and never a part. With ``sync`` the
    same holds for a power cut. The temporary name is fixed, so that the next write replaces what a killed process left.

    Raises:
        RunError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        # Removed rather than reused: it could be a link that leads out of the folder.
        temporary.unlink(missing_ok=True)
        yield temporary
        if sync:
            _sync(temporary)
        temporary.replace(path)
        # Windows has no way to sync a folder, and needs none.
        if sync and not _WINDOWS:
            _sync(path.parent)
    except OSError as error:
        # A full disk has room again.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RunError(f"{path} cannot be written: {error.strerror or error}.") from error


def make_folder(path: Path) -> None:
    """Make a folder for results, and those above it, unless it exists.

    Raises:
        RunError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"The folder {path} cannot be made ({error.strerror or error}); choose another --out."
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file for people and programs to read; see `to_json` and `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(to_json(value, indent=1) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    # Windows syncs only what is open for writing; elsewhere a folder cannot be opened so.
    descriptor = os.open(path, os.O_RDWR if _WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


# `json.loads` would make one for every line.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
