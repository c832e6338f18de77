"""What every node of a CPPN draws by itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool import _core
from neatfool.encodings.cppn import CppnPopulation

_OUTPUT = 4
"""Id of the only output of a gray genome."""


def node_pictures(genomes: CppnPopulation, index: int, side: int) -> dict[str, NDArray[Any]]:
    """The picture that each node of a CPPN sees: its activation over the grid of pixels.

    Activations are in [-1, 1], and the gray is `round(127.5 * (activation + 1))`: black for -1, mid-gray for 0, white for 1.

    Args:
        genomes: a batch of CPPNs.
        index: which of them.
        side: height and width of the pictures in pixels; an image that is not square is drawn as one.

    Returns:
        "ids": ids of the nodes, outputs first, then hidden ones, as in the genome's JSON form, shape (nodes,), uint32.
        "pictures": uint8 (nodes, side, side).
    """
    genome = genomes.describe(index)
    outputs, ids = set(range(_OUTPUT, _OUTPUT + genome["outputs"])), [node["id"] for node in genome["nodes"]]
    texts = [json.dumps(_alone(genome, node, outputs)) for node in genome["nodes"]]
    each = _core.CppnGenomes.from_json(texts)
    pictures = np.empty((len(ids), side, side), np.uint8)
    for place, picture in enumerate(pictures):
        activation = each.outputs_at(
            place, height=side, width=side, coordinates=genomes.encoding.coordinates, home=genomes.shape[1:]
        )
        picture[:] = np.rint(127.5 * (activation[0] + 1))
    return {"ids": np.array(ids, np.uint32), "pictures": pictures}


def _alone(genome: dict[str, Any], shown: dict[str, Any], outputs: set[int]) -> dict[str, Any]:
    """The genome with one of its nodes as the only output."""
    gone = outputs | {shown["id"]}
    kept = [node for node in genome["nodes"] if node["id"] not in gone]
    connections = [
        {**gene, "target": _OUTPUT if gene["target"] == shown["id"] else gene["target"]}
        for gene in genome["connections"]
        if gene["source"] not in gone and gene["target"] not in gone - {shown["id"]}
    ]
    return {**genome, "outputs": 1, "nodes": [{**shown, "id": _OUTPUT}, *kept], "connections": connections}
