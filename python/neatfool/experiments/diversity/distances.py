"""How far apart pictures, features, genomes and classes are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch.nn.functional import adaptive_avg_pool2d

from neatfool import _core

COMPARED_SIDE = 32
"""Pictures are averaged down to this side at most before their pixels are compared."""

Float = NDArray[np.float32]


def pixel_distances(images: NDArray[np.uint8]) -> Float:
    """Mean absolute difference of every two pictures (N, C, H, W), averaged to `COMPARED_SIDE` first; 1 is black to white."""
    pixels = torch.from_numpy(images).float() / 255
    height, width = pixels.shape[2:]
    if max(height, width) > COMPARED_SIDE:
        small = [
            adaptive_avg_pool2d(one, (min(height, COMPARED_SIDE), min(width, COMPARED_SIDE)))
            for one in torch.split(pixels, 64)
        ]
        pixels = torch.cat(small)
    flat = pixels.flatten(1)
    mean: Float = (torch.cdist(flat, flat, p=1) / flat.shape[1]).numpy()
    return mean


def cosine_distances(vectors: Float) -> Float:
    """1 - cosine of every two vectors, (N, N) in [0, 2]."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    distance: Float = np.clip(1 - unit @ unit.T, 0, 2)
    np.fill_diagonal(distance, 0)
    return distance


def structure_distances(counts: NDArray[np.int64]) -> Float:
    """Weighted Jaccard distance: 1 - (sum of the smaller counts) / (sum of the larger counts)."""
    vectors = torch.from_numpy(counts).float()
    differing = torch.cdist(vectors, vectors, p=1)
    total = vectors.sum(1)
    sums = total[:, None] + total[None]
    distance: Float = torch.where(sums > 0, 2 * differing / (sums + differing).clamp_min(1), 0.0).numpy()
    return distance


def connection_kinds(genomes: _core.CppnGenomes) -> NDArray[np.int64]:
    """How many enabled connections each genome has by the kinds of the two nodes they join.

    A source is one of the four inputs or a node of some activation; a target is a hidden node of some activation or one
    of the outputs.

    Returns:
        Counts, shape (N, kinds).
    """
    inputs, outputs, names = 4, genomes.outputs, len(_core.activation_names())
    arrays: dict[str, NDArray[Any]] = genomes.arrays()
    counts = np.zeros((len(genomes), (inputs + names) * (names + outputs)), np.int64)
    node_ends = np.cumsum(arrays["node_counts"])
    ends = np.cumsum(arrays["connection_counts"])
    for index in range(len(genomes)):
        nodes = slice(node_ends[index] - arrays["node_counts"][index], node_ends[index])
        genes = slice(ends[index] - arrays["connection_counts"][index], ends[index])
        kind = {node: node for node in range(inputs)}
        activations = dict(
            zip(arrays["node_ids"][nodes].tolist(), arrays["node_activations"][nodes].tolist(), strict=True)
        )
        kind |= {node: inputs + activation for node, activation in activations.items()}
        for source, target, enabled in zip(
            arrays["sources"][genes].tolist(), arrays["targets"][genes].tolist(), arrays["enabled"][genes], strict=True
        ):
            if enabled:
                hidden = target >= inputs + outputs
                column = activations[target] if hidden else names + target - inputs
                counts[index, kind[source] * (names + outputs) + column] += 1
    return counts


def class_distances(distance: Float, *, same_run: bool) -> NDArray[np.float64]:
    """Mean distance between the elites of two classes, in the same run or in different ones, shape (K, K)."""
    count = len(distance)
    pairs = [(one, other) for one in range(count) for other in range(count) if (one == other) == same_run]
    mean: NDArray[np.float64] = np.mean([distance[one, :, other] for one, other in pairs], axis=0, dtype=np.float64)
    return mean


def overlap(sets: list[set[int]]) -> NDArray[np.float64]:
    """Jaccard's similarity of every two sets, members of both over members of either; (K, K), 1 on the diagonal."""
    numbers = {member: number for number, member in enumerate(sorted(set[int]().union(*sets)))}
    columns = [numbers[member] for one in sets for member in one]
    ends = np.cumsum([0, *(len(one) for one in sets)])
    held = csr_array((np.ones(len(columns)), columns, ends), (len(sets), len(numbers)))
    both = (held @ held.T).toarray()
    sizes = np.diag(both)
    either = sizes[:, None] + sizes[None] - both
    return np.asarray(np.divide(both, either, out=np.ones_like(both), where=either > 0))
