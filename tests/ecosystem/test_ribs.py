"""Elites in pyribs and back, its emitters in our search, ours in its schedulers."""

import sys
from pathlib import Path

import numpy as np
import pytest

import neatfool as nf

ribs = pytest.importorskip("ribs", reason="needs pyribs: pip install 'neatfool[ribs]'")

from ribs.archives import CategoricalArchive, GridArchive  # noqa: E402
from ribs.schedulers import Scheduler  # noqa: E402

from neatfool.ecosystem.emitter import GenomeEmitter  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@nf.register_encoding
class Slopes(nf.ArrayEncoding):
    """Brightness that rises to the right and downwards."""

    name: str = "slopes"

    def random(self, count, shape, rng):
        return rng.normal(0, 1, (count, 3))

    def mutate(self, genes, rng):
        return genes + rng.normal(0, 0.1, 3)

    def draw(self, genes, shape):
        y, x = np.mgrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
        return 127 * (1 + genes[0] + genes[1] * x + genes[2] * y)


def sides(images):
    left, right = (part.mean((1, 2, 3)) / 255 for part in np.split(images, 2, axis=3))
    return np.column_stack([left * (1 - right), right * (1 - left), 1 - np.abs(left - right)]).astype(np.float32)


JUDGE = nf.FunctionJudge(sides, image_shape=(1, 8, 8), classes=["left", "right", "even"])


@pytest.mark.parametrize("encoding", ["slopes", "direct", "cppn"])
def test_elites_there_and_back(encoding):
    run = nf.evolve(JUDGE, encoding=encoding, generations=5, batch=20)
    store = nf.to_ribs(run)
    assert len(store) == 3
    assert store.stats.coverage == 1
    _, left = store.retrieve_single(np.array(["left"], object))
    assert left["objective"] == run.archive["left"].confidence
    assert left["id"] == run.archive["left"].id
    again = nf.from_ribs(store, run.archive.genomes)
    assert np.array_equal(again.pixels(), run.archive.pixels())
    for name in ("classes", "confidence", "fitness", "ids", "generation"):
        assert np.array_equal(getattr(again, name), getattr(run.archive, name)), name
    frame = store.data(return_type="pandas")
    assert list(frame["confidence"]) == pytest.approx(list(run.archive.confidence))


def test_some_classes_are_some_cells():
    run = nf.evolve(JUDGE, encoding="slopes", generations=1, batch=8, classes=["even", "left"])
    again = nf.from_ribs(nf.to_ribs(run.archive), run.archive.genomes)
    assert again.classes.tolist() == [0, 2]
    assert again["even"].confidence == run.archive["even"].confidence


# Whose start leaves something to be found.
START = {"cppn": nf.Cppn(initial_mutations=12)}


@pytest.mark.parametrize(
    ("encoding", "room"),
    [
        ("slopes", {"solution_dim": 3}),
        ("direct", {"solution_dim": 64, "solution_dtype": np.float32}),
        ("cppn", {"solution_dim": (), "solution_dtype": object}),
    ],
)
def test_our_genomes_in_their_scheduler(encoding, room):
    def search():
        archive = CategoricalArchive(categories=[JUDGE.class_names], seed=1, **room)
        scheduler = Scheduler(
            archive,
            [
                GenomeEmitter(archive, START.get(encoding, encoding), shape=(1, 8, 8), batch_size=10, seed=seed)
                for seed in (0, 1)
            ],
        )
        for _ in range(15):
            solutions = scheduler.ask()
            scores = sides(scheduler.emitters[0].images(solutions))
            best = scores.argmax(1)
            scheduler.tell(scores.max(1), np.array(JUDGE.class_names, object)[best, None])
        return archive, scheduler.emitters[0]

    archive, emitter = search()
    elites = nf.from_ribs(archive, emitter.genomes)
    # What the archive says is what the judge says of the pictures.
    assert np.allclose(sides(elites.pixels())[np.arange(len(elites)), elites.classes], elites.confidence, atol=1e-6)
    again, emitter = search()
    assert np.array_equal(nf.from_ribs(again, emitter.genomes).pixels(), elites.pixels())
    first = sides(emitter.images(emitter._first)).max(0)[elites.classes]
    assert (elites.confidence >= first - 1e-6).all()
    assert elites.confidence.mean() > first.mean()


@pytest.mark.parametrize("emitter", ["IsoLineEmitter", "GaussianEmitter"])
def test_their_emitter_in_our_search_is_resumed_bit_for_bit(emitter, tmp_path):
    options = {"IsoLineEmitter": {"iso_sigma": 0.1}, "GaussianEmitter": {"sigma": 0.2}}[emitter]
    settings = {"encoding": Slopes(), "strategy": nf.Ribs(emitter=emitter, options=options), "batch": 12, "seed": 2}
    whole = nf.evolve(JUDGE, generations=8, out=tmp_path / "whole", **settings)
    nf.evolve(JUDGE, generations=3, out=tmp_path / "parts", **settings)
    parts = nf.resume(tmp_path / "parts", generations=8, judge=JUDGE)
    assert parts.config.strategy == settings["strategy"]
    for name, values in whole.search.arrays().items():
        assert np.array_equal(values, parts.search.arrays()[name]), name
    start = nf.evolve(JUDGE, generations=0, **settings)
    assert whole.archive.confidence.mean() > start.archive.confidence.mean()


def test_direct_genomes_by_their_emitter():
    run = nf.evolve(
        JUDGE,
        encoding="direct",
        strategy=nf.Ribs(emitter="GaussianEmitter", options={"sigma": 3000.0}),
        generations=5,
        batch=9,
    )
    assert run.evaluations == 9 * 6


def test_what_does_not_fit_is_one_sentence():
    with pytest.raises(nf.ConfigError, match=r"EvolutionStrategyEmitter learns from what it is told.*IsoLineEmitter"):
        nf.evolve(JUDGE, encoding="slopes", strategy=nf.Ribs(emitter="EvolutionStrategyEmitter"))
    with pytest.raises(nf.ConfigError, match="The emitter Nothing is none of pyribs; choose GaussianEmitter"):
        nf.Search((1, 8, 8), 3, strategy=nf.Ribs(emitter="Nothing"))
    with pytest.raises(nf.ConfigError, match="rows of numbers, which cppn genomes are not"):
        nf.evolve(JUDGE, strategy="ribs", generations=1, batch=5)
    with pytest.raises(nf.ConfigError, match=r"GaussianEmitter cannot be made \(TypeError"):
        nf.evolve(JUDGE, encoding="slopes", strategy=nf.Ribs(emitter="GaussianEmitter"), generations=1, batch=5)
    grid = GridArchive(solution_dim=3, dims=[5], ranges=[(0, 1)])
    with pytest.raises(
        nf.ConfigError, match="cannot hold cppn genomes; make it with solution_dim=\\(\\) and solution_dtype=object"
    ):
        GenomeEmitter(grid, "cppn", shape=(1, 8, 8))
    run = nf.evolve(JUDGE, encoding="slopes", generations=0, batch=5)
    with pytest.raises(nf.ConfigError, match="from a CategoricalArchive of one measure"):
        nf.from_ribs(grid, run.archive.genomes)
    with pytest.raises(nf.ConfigError, match="These solutions are no slopes genomes"):
        nf.from_ribs(nf.to_ribs(nf.evolve(JUDGE, generations=0, batch=5)), run.archive.genomes)


def test_the_strategy_is_offered_by_the_package_itself():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["neatfool.strategies"] == {"ribs": "neatfool.ecosystem.strategy:Ribs"}


def test_without_pyribs_a_sentence_says_how_to_get_it(monkeypatch):
    run = nf.evolve(JUDGE, encoding="slopes", generations=0, batch=5)
    monkeypatch.setitem(sys.modules, "ribs", None)
    monkeypatch.setitem(sys.modules, "ribs.archives", None)
    with pytest.raises(nf.ConfigError, match=r"pip install 'neatfool\[ribs\]'"):
        nf.to_ribs(run)
