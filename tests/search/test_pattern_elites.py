"""The default strategy against what it promises."""

import numpy as np
import pytest

import neatfool as nf
from neatfool import _core
from neatfool.encodings import Operator

NAMES = ("mutate", "weights", "place", "repeat", "warp", "recolor", "mix")


def begun(shape, confidence, **options):
    """A search whose elites have these confidences."""
    search = nf.Search(shape, len(confidence), **options)
    rows = np.zeros((len(search.ask()), len(confidence)), np.float32)
    rows[: len(confidence)] = np.diag(confidence)
    search.tell(rows)
    return search


def births(search, generations):
    """Births of so many generations in which nobody gets better: (parents, class of the first) of every child."""
    found = []
    for _ in range(generations):
        search.ask()
        offspring = search._asked[0].offspring
        found.append((offspring.parents, offspring.classes))
        search.tell(np.zeros((search.batch, len(search.cells))))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def test_it_is_the_default_and_the_presets_are_the_papers():
    assert nf.EvolveConfig().strategy == nf.PatternElites()
    assert isinstance(nf.Search((1, 4, 4), 2).strategy, nf.PatternElites)
    for preset in nf.search.PRESETS.values():
        assert nf.search.build_config(preset).strategy == nf.MapElites()


def test_parents_are_drawn_by_how_much_a_step_changes_their_confidence():
    confidence = np.array([0, 0.001, 0.02, 0.3, 0.5, 0.9, 0.999, 1], np.float32)
    search = begun((1, 4, 4), confidence, batch=500, seed=3)
    _, classes = births(search, 20)
    share = np.bincount(classes, minlength=8) / len(classes)
    exact = confidence.astype(np.float64)
    odds = 0.02 + 4 * exact * (1 - exact)
    expected = odds / odds.sum()
    assert np.abs(share - expected).max() < 5 * np.sqrt(0.25 / len(classes))
    assert share[4] > 20 * share[0]


def test_a_seventh_of_the_children_have_two_parents():
    search = begun((3, 4, 4), np.linspace(0.3, 0.7, 30), batch=500, seed=1)
    parents, _ = births(search, 20)
    assert (parents[:, 0] >= 0).all()
    # A mixture of two cells; one in thirty has the same individual twice.
    two = (parents[:, 1] >= 0).mean()
    assert abs(two - 29 / 30 / len(NAMES)) < 5 * np.sqrt(0.14 * 0.86 / len(parents))


def test_operators_have_names_and_numbers_of_parents():
    population = nf.Cppn().start(2, shape=(3, 4, 4), seed=0)
    assert population.operators == tuple(Operator(name, 1 + (name == "mix")) for name in NAMES)
    assert tuple(name for name, _ in _core.operators()) == NAMES
    for wrong in (7, 255):
        with pytest.raises(ValueError, match=f"no operator has the code {wrong}"):
            population.breed(np.array([[0, 1, 0]], np.uint32), np.array([wrong], np.uint8), generation=1)
    with pytest.raises(ValueError, match="1 operators for 2 matings"):
        population.breed(np.zeros((2, 3), np.uint32), np.zeros(1, np.uint8), generation=1)


def test_mix_takes_the_hue_of_one_and_the_lightness_of_the_other():
    population = nf.Cppn(initial_mutations=5).start(2, shape=(3, 16, 16), seed=4)
    mix = np.full(40, NAMES.index("mix"), np.uint8)
    children = population.breed(np.tile(np.array([[0, 1, 0]], np.uint32), (40, 1)), mix, generation=1)
    outputs = [population.genomes.outputs_at(index, height=16, width=16, coordinates="unit") for index in (0, 1)]
    for child in range(40):
        mine = children.genomes.outputs_at(child, height=16, width=16, coordinates="unit")
        origin = [[np.array_equal(mine[plane], parent[plane]) for parent in outputs] for plane in range(3)]
        assert all(any(parents) for parents in origin)
        assert any(first and not second for first, second in origin) and any(
            second and not first for first, second in origin
        )


@nf.register_encoding
class Rows(nf.ArrayEncoding):
    name: str = "rows"

    def random(self, count, shape, rng):
        return rng.random((count, shape[1]))

    def mutate(self, genes, rng):
        return np.clip(genes + rng.normal(0, 0.2, genes.shape), 0, 1)

    def draw(self, genes, shape):
        return 255 * genes[:, np.newaxis]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_encoding_without_operators_is_searched_as_by_map_elites(seed):
    results = [
        nf.evolve("lenet-mnist", encoding=Rows(), strategy=strategy, generations=5, batch=30, seed=seed).archive
        for strategy in ("pattern-elites", "map-elites")
    ]
    assert np.array_equal(results[0].pixels(), results[1].pixels())


@pytest.mark.slow
def test_what_it_is_for(fast_squeezenet):
    """With the same number of images SqueezeNet gets surer of what it is shown."""
    runs = [
        nf.evolve(fast_squeezenet, strategy=strategy, generations=9, batch=300, seed=0)
        for strategy in ("pattern-elites", "map-elites")
    ]
    medians = [float(np.median(run.archive.confidence)) for run in runs]
    assert medians[0] > 1.3 * medians[1], medians
