"""Genomes as what pyribs calls solutions, and back."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import Population
from neatfool.errors import ConfigError
from neatfool.shared.text import reason

Solutions = NDArray[Any]
"""Rows of numbers (N, genes) where genomes are such, else texts in JSON (N,), of dtype object."""


def import_ribs() -> ModuleType:
    """Pyribs, with its archives and emitters.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import ribs.archives
        import ribs.emitters
    except ImportError as error:
        raise ConfigError("This needs pyribs, which is not installed; run pip install 'neatfool[ribs]'.") from error
    return ribs


def as_solutions(genomes: Population) -> Solutions:
    """Genomes as solutions; whole numbers become float32, in which 16 bits are exact."""
    arrays = genomes.arrays()
    genes = arrays.get("genes")
    if len(arrays) == 1 and genes is not None and genes.ndim == 2:
        return genes.astype(np.float32) if genes.dtype.kind in "iu" else genes
    return np.array([json.dumps(genomes.describe(index)) for index in range(len(genomes))], object)


def as_genomes(like: Population, solutions: Solutions) -> Population:
    """Solutions as genomes of the same encoding and image shape as another batch; whole numbers are rounded and clipped.

    Raises:
        ConfigError: they are no such genomes.
    """
    try:
        if solutions.dtype != object:
            dtype = like.arrays()["genes"].dtype
            if dtype.kind in "iu":
                bounds = np.iinfo(dtype)
                solutions = np.clip(np.rint(solutions), bounds.min, bounds.max)
            return like.relatives({"genes": solutions.astype(dtype)})
        read: Any = getattr(like, "of_json", None)
        if read is None:
            raise ValueError("the encoding reads no JSON")
        made: Population = read([str(text) for text in solutions])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"These solutions are no {like.encoding.name} genomes ({reason(error)}).") from error
    return made
