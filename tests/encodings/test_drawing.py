"""A picture a few rows at a time, and a genome as JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neatfool as nf
from neatfool.encodings import Drawing, genome_from_json, genome_to_json


class Ramp(nf.ArrayEncoding):
    name: str = "ramp"

    def random(self, count, shape, rng):
        return rng.uniform(0, 255, (count, 2))

    def mutate(self, genes, rng):
        return genes

    def draw(self, genes, shape):
        return np.linspace(genes[0], genes[1], shape[2])


ENCODINGS = {"pixel": nf.Cppn(coordinates="pixel"), "cppn": nf.Cppn(), "direct": nf.Direct(), "own": Ramp()}


def whole(genome, size):
    """The picture that `render` draws, (H, W) or (H, W, 3)."""
    out = np.empty((1, genome.shape[0], *size), np.uint8)
    genome.render(out)
    return out[0, 0] if genome.shape[0] == 1 else out[0].transpose(1, 2, 0)


@given(
    seed=st.integers(0, 1000),
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kind=st.sampled_from(["cppn", "pixel", "own"]),
    cuts=st.lists(st.integers(1, 39)),
)
@settings(max_examples=60)
def test_rows_are_those_of_the_whole(seed, channels, size, kind, cuts):
    genome = ENCODINGS[kind].start(1, shape=(channels, 9, 14), seed=seed)
    drawing = Drawing(genome, size)
    ends = [*sorted({cut for cut in cuts if cut < size[0]}), size[0]]
    parts = [drawing.rows(first, end) for first, end in zip([0, *ends], ends, strict=False)]
    assert np.array_equal(np.concatenate(parts), whole(genome, size))


@pytest.mark.parametrize("kind", ["cppn", "own"])
@pytest.mark.parametrize("samples", [2, 3, 4])
def test_a_pixel_is_the_mean_of_its_samples(kind, samples):
    genome = ENCODINGS[kind].start(1, shape=(3, 8, 8), seed=4)
    found = Drawing(genome, (10, 15), supersample=samples).rows(2, 9)
    fine = whole(genome, (10 * samples, 15 * samples)).astype(float)
    means = fine.reshape(10, samples, 15, samples, 3).mean(axis=(1, 3))
    assert np.array_equal(found, np.floor(means[2:9] + 0.5))


def test_pixels_are_enlarged_as_they_are():
    genome = nf.Direct().start(1, shape=(3, 4, 6), seed=0)
    exact = whole(genome, (4, 6))
    assert np.array_equal(Drawing(genome, (12, 18), supersample=4).rows(0, 12), exact.repeat(3, 0).repeat(3, 1))
    assert np.array_equal(Drawing(exact.transpose(2, 0, 1), (4, 6)).rows(1, 3), exact[1:3])
    # Of five rows from four, the middle one shows the third.
    assert np.array_equal(Drawing(genome, (5, 6)).rows(0, 5), exact[[0, 1, 2, 2, 3]])


def test_bands_are_larger_than_whole_pictures_can_be():
    genome = nf.Cppn().start(1, shape=(1, 28, 28), seed=1)
    assert Drawing(genome, (16384, 16384), supersample=4).rows(8191, 8192).shape == (1, 16384)
    for row, rows, height, width in [(0, 2, 1, 4), (5, 1, 5, 4), (0, 1, 65537, 4), (0, 1, 4, 65537)]:
        with pytest.raises(ValueError, match=r"rows|pixels"):
            genome.render_rows(np.empty((1, 1, rows, width), np.uint8), row=row, height=height)


@pytest.mark.parametrize("kind", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_genome_comes_back_from_json(kind, channels):
    encoding, shape = ENCODINGS[kind], (channels, 5, 7)
    population = encoding.start(3, shape=shape, seed=2)
    again = genome_from_json(encoding, json.loads(json.dumps(genome_to_json(population, 1))), shape=shape)
    assert len(again) == 1
    assert np.array_equal(whole(again, (5, 7)), whole(population.take(np.array([1])), (5, 7)))


def packed(**changes):
    genome = genome_to_json(nf.Direct().start(1, shape=(1, 2, 2), seed=0), 0)
    genome["arrays"]["genes"] |= changes
    return genome


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("cppn", None),
        ("cppn", {"format": "neatfool-cppn", "version": 1, "outputs": 1, "nodes": [], "connections": []}),
        ("cppn", genome_to_json(nf.Cppn().start(1, shape=(3, 2, 2), seed=0), 0)),
        ("direct", None),
        ("direct", {"arrays": []}),
        ("direct", {"arrays": {"genes": 3}}),
        ("direct", packed(type="O")),
        ("direct", packed(type="u1")),
        ("direct", packed(type="f8", shape=[1, 1])),
        ("direct", packed(shape=[1, 4, 1])),
        ("direct", packed(shape=[-1, -4])),
        ("direct", packed(shape=[1, 10**12])),
        ("direct", packed(shape=5)),
        ("direct", packed(data="*")),
        ("direct", packed(data=3)),
        ("direct", packed(type="b1", shape=[1, 8])),
        ("direct", genome_to_json(nf.Direct().start(1, shape=(1, 3, 3), seed=0), 0)),
        ("own", packed(shape=[2, 2])),
    ],
)
def test_what_is_no_genome_is_refused(kind, value):
    with pytest.raises(ValueError):  # noqa: PT011  # whoever reads a file says which
        genome_from_json(ENCODINGS[kind], value, shape=(1, 2, 2))
