"""One genome as JSON, to be drawn again elsewhere."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings.base import Encoding, Population, Shape
from neatfool.encodings.cppn import Cppn, CppnPopulation

_KINDS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


def genome_to_json(genomes: Population, index: int) -> dict[str, Any]:
    """One genome: a CPPN in its documented form, others as arrays in base64."""
    if isinstance(genomes, CppnPopulation):
        return genomes.describe(index)
    arrays = genomes.take(np.array([index])).arrays()
    return {"format": "neatfool-arrays", "arrays": {name: _packed(values) for name, values in arrays.items()}}


def genome_from_json(encoding: Encoding, value: Any, *, shape: Shape) -> Population:
    """A batch of one genome, from what `genome_to_json` made of it, or a stranger.

    Args:
        encoding: how it is drawn.
        value: the genome.
        shape: (channels, height, width) of the image.

    Raises:
        ValueError: it is no genome of this encoding.
    """
    if isinstance(encoding, Cppn):
        return encoding.of_json([json.dumps(value)], shape=shape)
    try:
        arrays = {str(name): _unpacked(packed) for name, packed in value["arrays"].items()}
        genome = encoding.restore(arrays, shape=shape, seed=0)
    except (AttributeError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"it has no genome of the {encoding.name} encoding") from error
    if len(genome) != 1:
        raise ValueError(f"it has {len(genome)} genomes in the place of one")
    return genome


def _packed(values: NDArray[Any]) -> dict[str, Any]:
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {
        "type": plain.dtype.str[1:],
        "shape": list(plain.shape),
        "data": base64.b64encode(plain.tobytes()).decode(),
    }


def _unpacked(packed: Any) -> NDArray[Any]:
    kind, shape, data = packed["type"], packed["shape"], packed["data"]
    if kind not in _KINDS or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError("an array has an unknown type or shape")
    dtype = np.dtype(f"<{kind}")
    content = base64.b64decode(data, validate=True)
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError("an array is not as large as it says")
    if kind == "b1" and content.strip(b"\0\1"):
        raise ValueError("an array has truth values that are neither 0 nor 1")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))
