"""Pictures of pixels that are changed in one piece, and the paper's, a gene at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neatfool as nf
from neatfool import _core
from neatfool.encodings import Operator
from neatfool.search import PRESETS, build_config

NAMES = ("mutate", "place", "repeat", "warp", "recolor", "mix", "compose", "wave", "noise")
SHAPE = (3, 12, 16)


def pictures(population):
    out = np.empty((len(population), *population.shape), np.uint8)
    population.render(out)
    return out


def test_operators_have_names_and_numbers_of_parents():
    population = nf.Direct().start(2, shape=SHAPE, seed=0)
    assert population.operators == tuple(Operator(name, 1 + (name in {"mix", "compose"})) for name in NAMES)
    with pytest.raises(ValueError, match="no operator has the code 9"):
        population.breed(np.array([[0, 1, 0]], np.uint32), np.array([9], np.uint8), generation=1)
    with pytest.raises(ValueError, match="1 operators for 2 matings"):
        population.breed(np.zeros((2, 3), np.uint32), np.zeros(1, np.uint8), generation=1)
    with pytest.raises(ValueError, match="parent 2"):
        population.breed(np.array([[0, 2, 0]], np.uint32), np.zeros(1, np.uint8), generation=1)


def test_the_presets_start_with_random_genes_and_the_default_with_few_cells():
    for preset in ("paper-mnist-direct", "paper-imagenet-direct"):
        encoding = build_config(PRESETS[preset]).encoding
        start = encoding.start(3, shape=SHAPE, seed=7).arrays()["genes"]
        assert np.array_equal(start, _core.DirectGenomes.random(3, length=np.prod(SHAPE), seed=7).array())
    default = nf.Direct().start(3, shape=(1, 60, 60), seed=7).arrays()["genes"].reshape(3, 60, 60).astype(int)
    # A third of the side from cell to cell.
    assert all(np.abs(np.diff(default, axis=axis)).max() <= 65535 / 20 + 1 for axis in (1, 2))
    assert default.std() > 8000
    for wrong in (-1, 256):
        with pytest.raises(nf.ConfigError, match="initial_cells"):
            nf.Direct(initial_cells=wrong)


@given(seed=st.integers(0, 1000), generation=st.integers(1, 50), child=st.integers(0, 17), gray=st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_child_made_alone_is_the_one_of_the_batch(seed, generation, child, gray):
    population = nf.Direct(halve_every=7).start(4, shape=(1 if gray else 3, 9, 7), seed=seed)
    matings = np.column_stack([np.arange(18) % 4, np.arange(18) * 3 % 4, np.ones(18)]).astype(np.uint32)
    operators = (np.arange(18) % len(NAMES)).astype(np.uint8)
    whole = population.breed(matings, operators, generation=generation).arrays()["genes"]
    part = slice(child, child + 1)
    alone = population.breed(matings[part], operators[part], generation=generation, first=child).arrays()["genes"]
    assert np.array_equal(whole[part], alone)


def test_a_repeated_picture_is_its_mirror_images():
    """Repeated at equal distances in both directions, what a picture shows of one variable it shows periodically."""
    ramp = np.broadcast_to(np.linspace(0, 60000, 64), (1, 64, 64)).astype(np.uint16).reshape(1, -1)
    population = nf.Direct().restore({"genes": ramp}, shape=(1, 64, 64), seed=1)
    repeat = np.full(30, NAMES.index("repeat"), np.uint8)
    for picture in pictures(population.breed(np.zeros((30, 3), np.uint32), repeat, generation=1))[:, 0].astype(int):
        assert (picture == picture[0]).all(), "what is the same in every row stays so"
        assert len(np.unique(np.sign(np.diff(picture[0])))) >= 2, "there and back"


@pytest.mark.parametrize("seed", range(3))
def test_digits_are_reached_in_few_images(seed):
    run = nf.evolve("lenet-mnist", encoding="direct", generations=100, seed=seed)
    assert run.archive.confidence.min() >= 0.9999


@pytest.mark.slow
def test_what_the_operators_are_for(fast_squeezenet):
    """With the same number of images SqueezeNet gets surer of what it is shown than by single pixels."""
    means = [
        float(nf.evolve(fast_squeezenet, generations=9, batch=300, seed=0, **options).archive.confidence.mean())
        for options in (
            {"encoding": "direct"},
            {"encoding": nf.Direct(initial_cells=0), "strategy": "map-elites"},
        )
    ]
    assert means[0] > 0.1 > 10 * means[1], means
