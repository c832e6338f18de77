"""The checkpoint file: named arrays and string metadata in one safetensors file."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from neatfool.errors import RunError
from neatfool.runs.manifest import SCHEMA_VERSION, check_schema_version
from neatfool.shared.files import MIB, check_file, replacing

STATE = "checkpoint/state.safetensors"
"""Where it lies in a run folder."""

CHECKPOINT_LIMIT = 8192 * MIB

Arrays = dict[str, npt.NDArray[Any]]


def save(path: Path, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write arrays and metadata to ``path``; a crash or power cut leaves the old file or the new one.

    Raises:
        RunError: the file cannot be written.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    stamped = {**metadata, "schema_version": str(SCHEMA_VERSION)}
    try:
        with replacing(path) as temporary:
            save_file(contiguous, temporary, stamped)
    except SafetensorError as error:
        raise RunError(f"{path} cannot be written: {error}.") from error


def load(path: Path, names: Collection[str] | None = None) -> tuple[Arrays, dict[str, str]]:
    """The arrays and metadata of the checkpoint at ``path``; with ``names``, only those of these arrays it has.

    Raises:
        RunError: the file is missing, damaged, too large or from a newer neatfool.
    """
    check_file(path, CHECKPOINT_LIMIT)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            version = metadata.get("schema_version", "")
            check_schema_version(int(version) if version.isdecimal() and len(version) < 10 else None, path)
            stored = file.keys()
            arrays = {name: file.get_tensor(name) for name in stored if names is None or name in names}
    # A dtype that numpy lacks surfaces as one of the last three.
    except (SafetensorError, OSError, AttributeError, TypeError, KeyError) as error:
        raise RunError(f"{path} is not a readable checkpoint ({error}).") from error
    for name, array in arrays.items():
        # numpy does not say what it makes of other bytes.
        if array.dtype == np.bool_ and (array.view(np.uint8) > 1).any():
            raise RunError(f"{path}: the array {name!r} holds a truth value that is neither 0 nor 1; it is damaged.")
    return arrays, metadata


def under(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays whose names begin with a prefix, by what follows it."""
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def expect(
    arrays: Mapping[str, npt.NDArray[Any]],
    name: str,
    dtype: npt.DTypeLike,
    shape_prefix: tuple[int | None, ...] = (),
    *,
    ndim: int | None = None,
    within: tuple[float, float] | None = None,
    source: str | Path = "checkpoint/state.safetensors",
) -> npt.NDArray[Any]:
    """The array ``name``, once its type and leading dimensions are what they should be.

    Args:
        arrays: arrays read from a checkpoint.
        name: the array wanted.
        dtype: the type it must have.
        shape_prefix: its leading dimensions; None stands for any length.
        ndim: its number of dimensions; None for any that the prefix allows.
        within: the lowest and the highest number it may hold; None for any, and for no numbers too.
        source: the file to name in errors.

    Raises:
        RunError: the array is missing or differs, or a number in it is out of range or undefined.
    """
    if name not in arrays:
        raise RunError(f"{source} lacks the array {name!r}; the checkpoint is incomplete.")
    array = arrays[name]
    if array.dtype != np.dtype(dtype):
        raise RunError(f"{source}: the array {name!r} holds {array.dtype}, not {np.dtype(dtype)}.")
    fits = len(array.shape) >= len(shape_prefix) and all(
        wanted is None or wanted == length for wanted, length in zip(shape_prefix, array.shape, strict=False)
    )
    if not fits or ndim not in (None, array.ndim):
        lengths = ["?" if wanted is None else str(wanted) for wanted in shape_prefix]
        lengths += ["..."] if ndim is None else ["?"] * (ndim - len(lengths))
        raise RunError(f"{source}: the array {name!r} has shape {array.shape}, not ({', '.join(lengths)}).")
    if within and array.size and not (within[0] <= array.min() and array.max() <= within[1]):
        raise RunError(
            f"{source}: the array {name!r} holds {array.min()} to {array.max()}, not numbers from {within[0]:g} to "
            f"{within[1]:g}; the checkpoint is damaged."
        )
    return array
