"""Where the nodes of a CPPN lie on a picture of its graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

INPUT_NAMES = ("x", "y", "d", "bias")
"""Of the nodes 0 to 3; d is the distance from the centre."""

_SWEEPS = 8


@dataclass(frozen=True)
class GraphNode:
    """A node of the graph.

    Attributes:
        id: as in the genome.
        name: what it is: "x", "sine", ...
        kind: "input", "hidden" or "output".
        x: its layer in parts of the width: 0 for inputs, 1 for outputs.
        y: its place in the layer in parts of the height, in (0, 1), downwards.
        live: whether the picture depends on it.
    """

    id: int
    name: str
    kind: str
    x: float
    y: float
    live: bool


@dataclass(frozen=True)
class GraphEdge:
    """A connection: its two nodes' ids, its weight in [-10, 10], and whether the picture depends on it."""

    source: int
    target: int
    weight: float
    live: bool


@dataclass(frozen=True)
class GraphLayout:
    """A graph in layers: every connection leads to the right.

    Attributes:
        nodes: by id.
        edges: in the order of the genome.
        layers: number of layers.
        widest: number of nodes in the largest layer.
    """

    nodes: dict[int, GraphNode]
    edges: tuple[GraphEdge, ...]
    layers: int
    widest: int


def genome_layout(genome: Mapping[str, Any]) -> GraphLayout:
    """A layered layout (Sugiyama, Tagawa & Toda 1981): a node lies right of all that it depends on.

    Args:
        genome: the JSON form of a CPPN, as `archive["3"].genome` and `neatfool inspect --json` have it.
    """
    outputs = int(genome["outputs"])
    activations = {int(node["id"]): str(node["activation"]) for node in genome["nodes"]}
    first = len(INPUT_NAMES)
    connections = [
        (int(one["source"]), int(one["target"]), float(one["weight"]), bool(one["enabled"]))
        for one in genome["connections"]
    ]
    layer = _layers([*range(first), *activations], [one[:2] for one in connections], range(first, first + outputs))
    live = _live([one[:2] for one in connections if one[3]], range(first, first + outputs))
    y = _places(layer, [one[:2] for one in connections])
    last = max(layer.values())
    nodes = {}
    for node in layer:
        kind = "input" if node < first else "output" if node < first + outputs else "hidden"
        name = INPUT_NAMES[node] if node < first else activations[node]
        nodes[node] = GraphNode(node, name, kind, layer[node] / last, y[node], node in live)
    edges = tuple(
        GraphEdge(source, target, weight, enabled and source in live and target in live)
        for source, target, weight, enabled in connections
    )
    counts = [list(layer.values()).count(number) for number in range(last + 1)]
    return GraphLayout(nodes, edges, last + 1, max(counts))


def _layers(nodes: list[int], edges: list[tuple[int, int]], outputs: range) -> dict[int, int]:
    """The longest way from an input to each node; outputs are in a layer of their own at the end."""
    sources: dict[int, list[int]] = {node: [] for node in nodes}
    for source, target in edges:
        sources[target].append(source)
    layer: dict[int, int] = {}
    for node in TopologicalSorter(sources).static_order():
        inner = node >= outputs.start
        layer[node] = max((layer[source] + 1 for source in sources[node]), default=1 if inner else 0)
    # Outputs lead nowhere, so they can lie further right.
    last = 1 + max(number for node, number in layer.items() if node not in outputs)
    return {node: last if node in outputs else layer[node] for node in nodes}


def _live(edges: list[tuple[int, int]], outputs: range) -> set[int]:
    """The nodes from which enabled connections lead to an output."""
    sources = defaultdict(list)
    for source, target in edges:
        sources[target].append(source)
    live: set[int] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node not in live:
            live.add(node)
            waiting.extend(sources[node])
    return live


def _places(layer: dict[int, int], edges: list[tuple[int, int]]) -> dict[int, float]:
    """A height for each node: evenly apart in its layer, ordered by the mean height of its neighbours, layer by layer."""
    rows: dict[int, list[int]] = defaultdict(list)
    for node, number in layer.items():
        rows[number].append(node)
    neighbours: dict[int, list[int]] = {node: [] for node in layer}
    for source, target in edges:
        neighbours[source].append(target)
        neighbours[target].append(source)
    y = {node: (place + 0.5) / len(row) for row in rows.values() for place, node in enumerate(row)}
    for sweep in range(_SWEEPS):
        for number in sorted(rows, reverse=bool(sweep % 2)):
            if number == 0:
                continue  # x, y, d and bias stay in their order
            means = {
                node: sum(y[other] for other in neighbours[node]) / len(neighbours[node])
                if neighbours[node]
                else y[node]
                for node in rows[number]
            }
            rows[number].sort(key=lambda node: (means[node], node))
            y |= {node: (place + 0.5) / len(rows[number]) for place, node in enumerate(rows[number])}
    return y
