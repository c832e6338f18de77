"""From one CPPN to a relative of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import CppnPopulation


def morph(
    genomes: CppnPopulation, first: int, last: int, moments: NDArray[np.float64]
) -> tuple[CppnPopulation, CppnPopulation] | None:
    """Genomes between two of one line, whose historical markings say what they share.

    Shared connections have a weight in between; those of one genome alone grow from 0 or shrink to 0.

    Args:
        genomes: a batch.
        first: where to begin.
        last: where to end.
        moments: from 0, the first, to 1, the last; shape (N,).

    Returns:
        The N genomes with the first one's activations and with the last one's, to fade from one to the other; None if all
        connections together make no network without a circle.
    """
    one, other = genomes.describe(first), genomes.describe(last)
    older, younger = ({node["id"]: node for node in genome["nodes"]} for genome in (one, other))
    try:
        with_older, with_younger = (
            genomes.of_json([json.dumps(_between(one, other, list(nodes.values()), moment)) for moment in moments])
            for nodes in (younger | older, older | younger)
        )
    except ValueError:
        return None
    return with_older, with_younger


def _between(one: dict[str, Any], other: dict[str, Any], nodes: list[dict[str, Any]], moment: float) -> dict[str, Any]:
    genes = {gene["innovation"]: gene for genome in (one, other) for gene in genome["connections"]}
    before, after = (
        {gene["innovation"]: gene["weight"] * gene["enabled"] for gene in genome["connections"]}
        for genome in (one, other)
    )
    connections = [
        {
            **gene,
            "weight": before.get(number, 0.0) * (1 - moment) + after.get(number, 0.0) * moment,
            "enabled": True,
        }
        for number, gene in genes.items()
    ]
    return {**one, "nodes": nodes, "connections": connections}
