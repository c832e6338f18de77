"""Where a picture repeats a motif, and what is there without it.

Two ways, which give the same thing: a map that numbers the copies, and a background that replaces a copy.

In the genome: a CPPN repeats itself by a periodic node. The phase of that node, the sum that enters it, numbers the
periods; the background is the picture of the same genome with the node set to 0, so that a copy is removed by silencing
the node in one period of its phase. Periods are cut where the node is 0, which leaves no edge.

In the picture, for every encoding: peaks of the autocorrelation give one or two lattice vectors, the lattice divides
the picture into cells, and the background of a cell is its mean colour.

Either way only periods or cells that look alike count as copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import correlate

from neatfool import _core
from neatfool.encodings import CppnPopulation

ALIKE = 0.5
"""A copy's correlation with the mean of the other copies is at least this."""

_PERIODIC = {"sine": (2 * math.pi, 0.0), "cosine": (2 * math.pi, -math.pi / 2), "triangle": (4.0, 0.0)}
"""Period, and a phase at which the function rises through 0."""
_FIRST_OUTPUT = 4
_SMALLEST_PERIOD = 4  # pixels; below it the pixels do not show the period
_RESOLVED = 0.9  # share of a copy's pixels that must show it
_SMALLEST_AREA = 0.1  # of a copy, as a share of the mean
_PLACES = 12  # parts of a period, along each axis, that are compared between copies
_VISIBLE = 2.0  # mean change of a copy's values, out of 255, when it is removed
_PEAK = 0.6  # least autocorrelation of a repeat


@dataclass(frozen=True)
class Copies:
    """The copies of one motif in one picture.

    Attributes:
        count: number of copies.
        labels: the copy each pixel belongs to, 0 to count - 1, or -1; shape (H, W), int64.
        first_half: whether it is in the first half of a period, where a copy is cut in two; shape (H, W), bool.
        background: what the picture shows where no copy is, for every pixel, shape (C, H, W), uint8.
        way: "genome" or "image".
        why: how the copies were found, for people.
        period: distance of neighbouring copies in pixels; the median over the picture where it varies.
    """

    count: int
    labels: NDArray[np.int64]
    first_half: NDArray[np.bool_]
    background: NDArray[np.uint8]
    way: Literal["genome", "image"]
    why: str
    period: float


def copies_in_genome(population: CppnPopulation, index: int, *, min_copies: int) -> Copies | None:
    """The copies a periodic node makes in the picture of one CPPN.

    Of several periodic nodes that do, the one whose silence changes the picture most. An output node counts half
    periods, because a picture shows the absolute value of an output.

    Args:
        population: genomes that draw pictures of `population.shape`.
        index: which of them.
        min_copies: fewer are no repetition.

    Returns:
        The copies, or None if no periodic node makes that many.
    """
    genome = population.describe(index)
    periodic = [node for node in genome["nodes"] if node["activation"] in _PERIODIC]
    if not periodic:
        return None
    one = population.genomes.take(np.array([index], np.uint32))
    pictures = _draw(population, [one, *(one.silenced(0, node["id"]) for node in periodic)])
    backgrounds = pictures[1:]
    contributions = pictures[0].astype(np.float64) - backgrounds
    for choice in np.argsort(-np.abs(contributions).mean((1, 2, 3)), kind="stable"):
        node, change = periodic[choice], np.abs(contributions[choice]).mean(0)
        period, start = _PERIODIC[node["activation"]]
        if node["id"] < _FIRST_OUTPUT + genome["outputs"]:
            period /= 2
        phase = (_sums(population, index, node["id"]) - start) / period
        first, last = math.ceil(phase.min()), math.floor(phase.max())
        if last - first < min_copies:
            continue
        # What is left of a period at either end of the phase goes with the whole copy next to it.
        cells = np.clip(np.floor(phase), first, last - 1).astype(np.int64) - first
        step = _steepness(phase)
        areas = np.bincount(cells.ravel())
        resolved = np.bincount(cells.ravel(), (step <= 1 / _SMALLEST_PERIOD).ravel()) >= _RESOLVED * areas
        visible = np.bincount(cells.ravel(), change.ravel()) >= _VISIBLE * areas
        clear = resolved & visible & (areas >= _SMALLEST_AREA * areas.mean())
        places = np.floor(phase % 1 * _PLACES).astype(np.int64)
        whole = (phase >= first) & (phase < last)
        shown = np.where(clear[cells], cells, -1)
        labels, count = _keep_alike(contributions[choice], shown, np.where(whole, places, -1))
        if count >= min_copies:
            kind = "output" if node["id"] < _FIRST_OUTPUT + genome["outputs"] else "hidden"
            why = f"the phase of the {kind} {node['activation']} node {node['id']} runs through {last - first} periods"
            typical = float(np.median(step[labels >= 0]))
            period = 1 / max(typical, 1e-6)
            return Copies(count, labels, phase % 1 < 0.5, backgrounds[choice], "genome", why, period)
    return None


def copies_in_image(picture: NDArray[np.uint8], *, min_copies: int) -> Copies | None:
    """The copies that the autocorrelation of a picture tells.

    Args:
        picture: (C, H, W), uint8.
        min_copies: fewer are no repetition.

    Returns:
        The copies, or None if there are not that many.
    """
    vectors = _lattice(picture)
    if vectors is None:
        return None
    height, width = picture.shape[1:]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    centred = np.stack([y - (height - 1) / 2, x - (width - 1) / 2])
    # Lattice coordinates: a shift by vector i changes coordinate i by 1 and no other.
    phase = np.einsum("ij,jyx->iyx", np.linalg.pinv(vectors.T), centred) + 0.5
    whole = np.floor(phase).astype(np.int64)
    numbers = whole - whole.min((1, 2), keepdims=True)
    shape = tuple(int(extent) + 1 for extent in numbers.max((1, 2)))
    cells = np.ravel_multi_index(tuple(numbers), shape)
    places = np.ravel_multi_index(
        tuple(np.floor((phase - whole) * _PLACES).astype(np.int64)), (_PLACES,) * len(vectors)
    )
    areas = np.bincount(cells.ravel())
    if len(vectors) == 1:
        # A stripe at the picture's edge may lack a part of its width, one in a corner most of its length.
        narrowest = (1 - 1.5 / np.linalg.norm(vectors[0])) - 1e-9
        across = phase[0] - whole[0]
        numbered = np.arange(len(areas))
        spans = ndimage.maximum(across, cells, numbered) - ndimage.minimum(across, cells, numbered)
        complete = (spans >= narrowest) & (areas >= 0.5 * areas.max())
    else:
        complete = areas >= 0.9 * abs(np.linalg.det(vectors))
    labels, count = _keep_alike(picture.astype(np.float64), np.where(complete[cells], cells, -1), places)
    if count < min_copies:
        return None
    lengths = np.linalg.norm(vectors, axis=1)
    found = " and ".join(f"({vector[1]:.0f}, {vector[0]:.0f})" for vector in vectors)
    why = f"the autocorrelation peaks at a shift of {found} pixels"
    first_half = phase[0] - whole[0] < 0.5
    return Copies(count, labels, first_half, _mean_colours(picture, cells), "image", why, float(lengths.min()))


def _keep_alike(
    values: NDArray[np.float64], cells: NDArray[np.int64], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], int]:
    """Renumbers the cells that look alike from 0; all other pixels become -1.

    Args:
        values: what is compared, shape (C, H, W).
        cells: a number for each pixel, or -1, shape (H, W).
        places: where in its cell each pixel lies, or -1 for pixels not to be looked at. A cell looks like its mean in
            each of its places.

    Returns:
        The labels and the number of cells kept.
    """
    channels = values.reshape(len(values), -1)
    used = ((cells >= 0) & (places >= 0)).ravel()
    count, width = int(cells.max()) + 1, int(places.max()) + 1
    if count < 2:
        return np.full_like(cells, -1), 0
    keys = (cells * width + places).ravel()[used]
    pixels = np.bincount(keys, minlength=count * width)
    with np.errstate(invalid="ignore"):
        looks = np.stack([np.bincount(keys, channel[used], count * width) / pixels for channel in channels], axis=-1)
    looks = looks.reshape(count, width, len(channels))
    alike = np.array([_correlation(looks[cell], np.delete(looks, cell, axis=0)) >= ALIKE for cell in range(count)])
    numbers = np.where(alike, np.cumsum(alike) - 1, -1)
    return np.where(cells >= 0, numbers[cells], -1), int(alike.sum())


def _correlation(look: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Correlation of one look, shape (places, channels), with the mean of others, each around its mean colour."""
    present = np.isfinite(others[..., 0])
    weight = present.sum(0)
    mean = np.where(present[..., None], others, 0).sum(0) / np.maximum(weight, 1)[:, None]
    common = np.isfinite(look[:, 0]) & (weight > 0)
    if common.sum() < max(2, len(look) // 4):
        return 0.0
    a, b = (values[common] - values[common].mean(0) for values in (look, mean))
    norm = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-9 else 0.0


def _draw(population: CppnPopulation, genomes: list[_core.CppnGenomes]) -> NDArray[np.uint8]:
    """Pictures of batches of one genome, shape (N, C, H, W)."""
    out = np.empty((len(genomes), *population.shape), np.uint8)
    encoding = population.encoding
    _core.CppnGenomes.concatenate(genomes).render(out, first=0, coordinates=encoding.coordinates, color=encoding.color)
    return out


def _sums(population: CppnPopulation, index: int, node: int) -> NDArray[np.float64]:
    """What enters a node before its activation, at every pixel, shape (H, W)."""
    _, height, width = population.shape
    sums = population.genomes.sums_at(
        index, node, height=height, width=width, coordinates=population.encoding.coordinates
    )
    return sums.astype(np.float64)


def _steepness(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of the gradient, in periods a pixel."""
    slopes = [np.gradient(phase, axis=axis) if phase.shape[axis] > 1 else np.zeros_like(phase) for axis in (0, 1)]
    steepness: NDArray[np.float64] = np.hypot(*slopes)
    return steepness


def _lattice(picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """One (stripes) or two lattice vectors (dy, dx) of a picture's repetition, as rows; None without repetition."""
    height, width = picture.shape[1:]
    similarity = _autocorrelation(picture)
    rows, columns = height // 2, width // 2  # shifts by more leave too little to compare
    similarity = similarity[height - 1 - rows : height + rows, width - 1 - columns : width + columns]
    high = similarity >= _PEAK
    parts, _ = ndimage.label(high, structure=np.ones((3, 3)))
    lobe = parts == parts[rows, columns]  # the part around the shift of 0
    dy, dx = np.mgrid[-rows : rows + 1, -columns : columns + 1]
    highest = similarity == ndimage.maximum_filter(similarity, size=5)
    peaks = highest & high & ~lobe & (np.hypot(dy, dx) >= _SMALLEST_PERIOD)
    if not peaks.any():
        return None
    peaks &= similarity >= 0.9 * similarity[peaks].max()
    vectors = np.stack([dy[peaks], dx[peaks]], axis=1).astype(np.float64)
    if lobe[[0, -1]].any() or lobe[:, [0, -1]].any():
        return _stripes(vectors, np.stack([dy[lobe], dx[lobe]], axis=1).astype(np.float64))
    order = np.argsort(np.hypot(*vectors.T), kind="stable")
    first = vectors[order[0]]
    for second in vectors[order[1:]]:
        sine = abs(first[0] * second[1] - first[1] * second[0]) / np.linalg.norm(first) / np.linalg.norm(second)
        if sine >= 0.5:
            return np.array([first, second])
    return np.array([first])


def _stripes(vectors: NDArray[np.float64], ridge: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest shift across stripes that run along a ridge of the autocorrelation."""
    across: NDArray[np.float64] = np.linalg.eigh(ridge.T @ ridge)[1][:, 0]
    distances = np.abs(vectors @ across)
    return np.array([distances.min() * across])


def _autocorrelation(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Cosine similarity of a picture and its shifted copy where they overlap, for shifts (dy, dx).

    Returns:
        Shape (2 H - 1, 2 W - 1); the shift of 0 is at (H - 1, W - 1).
    """
    centred = picture - picture.mean((1, 2), keepdims=True)
    product = sum(correlate(channel, channel, method="fft") for channel in centred)
    energy = correlate((centred**2).sum(0), np.ones(picture.shape[1:]), method="fft")
    norm = np.sqrt(np.maximum(energy, 0) * np.maximum(energy[::-1, ::-1], 0))
    return np.where(norm > 1e-6 * picture[0].size, product / np.maximum(norm, 1e-12), 0.0)


def _mean_colours(picture: NDArray[np.uint8], cells: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The picture with every cell in its mean colour."""
    flat = cells.ravel()
    areas = np.maximum(np.bincount(flat), 1)
    colours = np.stack([np.bincount(flat, channel.ravel()) / areas for channel in picture])
    return np.rint(colours[:, cells]).astype(np.uint8)
