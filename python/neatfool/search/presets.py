"""The paper's settings, as its published program had them."""

from collections.abc import Mapping
from typing import Any

_CPPN = {"name": "cppn", "coordinates": "pixel", "initial_mutations": 0}
_DIRECT = {"name": "direct", "initial_cells": 0}
_MAP_ELITES = {"name": "map-elites"}
_ALEXNET = {"name": "alexnet", "crops": 10}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper-mnist": {"encoding": _CPPN, "strategy": _MAP_ELITES, "start": 200, "batch": 200, "generations": 200},
    "paper-mnist-direct": {
        "encoding": _DIRECT,
        "strategy": _MAP_ELITES,
        "start": 200,
        "batch": 200,
        "generations": 200,
    },
    "paper-imagenet": {
        "model": _ALEXNET,
        "encoding": _CPPN,
        "strategy": _MAP_ELITES,
        "start": 400,
        "batch": 400,
        "generations": 5000,
    },
    "paper-imagenet-direct": {
        "model": _ALEXNET,
        "encoding": {**_DIRECT, "halve_every": 1000},
        "strategy": _MAP_ELITES,
        "start": 200,
        "batch": 200,
        "generations": 20000,
    },
}
"""Layers for `build_config`, by name."""
