"""The genomes the Python benchmarks draw: the set of the Rust core's own benchmarks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from neatfool import _core

SHARED = Path(os.environ.get("NEATFOOL_SHARED", Path(__file__).parents[2] / "shared")) / "bench"
GENOMES = Path(__file__).parents[1] / "rust/core/benches"
PAPER_ACTIVATIONS = ("sine", "sigmoid", "gaussian", "linear")


def genome_set(outputs: int) -> tuple[str, list[dict[str, Any]]]:
    """Where the genomes come from, and their documented JSON form as dictionaries."""
    path = GENOMES / f"genomes_{'rgb' if outputs == 3 else 'gray'}.json"
    return "the reference set", [convert(genome) for genome in json.loads(path.read_text())]


def convert(shared: dict[str, Any]) -> dict[str, Any]:
    """A genome of the shared set (see its reference.py) in neatfool's form."""
    connections = [(source, node, weight) for node, _, incoming in shared["nodes"] for source, weight in incoming]
    return {
        "format": "neatfool-cppn",
        "version": 1,
        "outputs": shared["no"],
        "nodes": [{"id": node, "activation": PAPER_ACTIVATIONS[code]} for node, code, _ in sorted(shared["nodes"])],
        "connections": [
            {"innovation": i, "source": source, "target": target, "weight": weight, "enabled": True}
            for i, (source, target, weight) in enumerate(connections)
        ],
    }


def compiled(genomes: list[dict[str, Any]]) -> _core.CppnGenomes:
    """The genomes in the Rust core."""
    return _core.CppnGenomes.from_json([json.dumps(genome) for genome in genomes])
