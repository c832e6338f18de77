import numpy as np
import pytest

import neatfool as nf
from neatfool.encodings import node_pictures

FUNCTIONS = {
    "sine": np.sin,
    "sigmoid": lambda v: 2 / (1 + np.exp(-v)) - 1,
    "gaussian": lambda v: np.exp(-(v**2)),
    "linear": lambda v: np.clip(v, -3, 3) / 3,
}


def activations(genome, side):
    """Of every node, in float64."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    values = {0: x, 1: y, 2: np.hypot(x, y), 3: np.ones((side, side))}
    nodes = {node["id"]: node["activation"] for node in genome["nodes"]}

    def value(node):
        if node not in values:
            genes = [gene for gene in genome["connections"] if gene["target"] == node and gene["enabled"]]
            total = sum((gene["weight"] * value(gene["source"]) for gene in genes), np.zeros((side, side)))
            values[node] = FUNCTIONS[nodes[node]](total)
        return values[node]

    return np.stack([value(node) for node in nodes])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_node_pictures_agree_with_an_independent_evaluation(shape):
    population = nf.Cppn().start(8, shape=shape, seed=3)
    for index in range(len(population)):
        genome = population.describe(index)
        shown = node_pictures(population, index, 40)
        assert shown["ids"].tolist() == [node["id"] for node in genome["nodes"]]
        assert (shown["pictures"].shape, shown["pictures"].dtype) == ((len(genome["nodes"]), 40, 40), np.uint8)
        exact = 127.5 * (activations(genome, 40) + 1)
        assert (np.abs(shown["pictures"] - exact) <= 1).mean() > 0.999


def test_the_output_of_a_gray_picture_is_the_picture():
    population = nf.Cppn().start(1, shape=(1, 16, 16), seed=1)
    picture = np.empty((1, 1, 16, 16), np.uint8)
    population.render(picture)
    signed = node_pictures(population, 0, 16)["pictures"][0] / 127.5 - 1
    assert np.abs(np.abs(signed) * 255 - picture[0, 0]).max() <= 2
