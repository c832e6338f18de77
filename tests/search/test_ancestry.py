"""Ancestors made again, against the images that the run really drew."""

from itertools import pairwise

import numpy as np
import pytest

import neatfool as nf
from neatfool.search import replay_ancestors


def judge(shape, classes):
    weights = np.random.default_rng(0).normal(0, 3, (np.prod(shape), classes))

    def confidences(images):
        scores = images.reshape(len(images), -1) / 255 @ weights / np.sqrt(len(weights))
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    return nf.FunctionJudge(confidences, image_shape=shape, classes=[str(index) for index in range(classes)])


def drawn(shape, classes, generations, **options):
    """Every image of a run, by id."""
    search = nf.Search(shape, classes, **options)
    scores, images = judge(shape, classes), []
    for _ in range(generations + 1):
        images.append(search.ask())
        search.tell(scores.confidences(images[-1]))
    return np.concatenate(images)


PAPER = nf.Cppn(coordinates="pixel", initial_mutations=0)


@pytest.mark.parametrize(
    ("shape", "encoding"),
    [
        ((1, 8, 8), nf.Cppn(initial_mutations=12)),
        ((3, 8, 12), nf.Cppn(initial_mutations=12, color="hsv")),
        ((1, 8, 8), PAPER),
        # Much is added and little taken away, so that siblings often mutate alike.
        ((1, 8, 8), nf.Cppn(initial_mutations=0, delete_node_rate=0, add_connection_rate=1, add_node_rate=1)),
        ((1, 8, 8), nf.Direct()),
        ((3, 4, 4), nf.Direct(halve_every=20, crossover_rate=1)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("strategy", ["pattern-elites", "map-elites"])
def test_ancestors_draw_what_the_run_drew(shape, encoding, strategy, seed, tmp_path):
    options = {"encoding": encoding, "strategy": strategy, "batch": 60, "seed": seed}
    nf.evolve(judge(shape, 6), generations=25, out=tmp_path / "run", **options)
    run = nf.resume(tmp_path / "run", generations=60, judge=judge(shape, 6))
    images = drawn(shape, 6, 60, **options)
    ancestors = replay_ancestors(run.folder)
    assert ancestors.classes == tuple(range(6))
    for class_index in ancestors.classes:
        line = ancestors.line(class_index)
        assert line[0].generation == 0
        assert line[-1].id == run.archive.ids[class_index]
        assert all(child.parents[0] == parent.id for parent, child in pairwise(line))
        out = np.empty((len(line), *shape), np.uint8)
        ancestors.genomes(line).render(out)
        assert np.array_equal(out, images[[birth.id for birth in line]])


@pytest.mark.parametrize("seed", range(4))
def test_ancestors_of_the_default_search_draw_what_the_run_drew(seed, tmp_path):
    run = nf.evolve(judge((3, 8, 12), 6), generations=40, batch=60, seed=seed, out=tmp_path / "run")
    images, ancestors = drawn((3, 8, 12), 6, 40, batch=60, seed=seed), replay_ancestors(run.folder)
    for class_index in ancestors.classes:
        line = ancestors.line(class_index)
        out = np.empty((len(line), 3, 8, 12), np.uint8)
        ancestors.genomes(line).render(out)
        assert np.array_equal(out, images[[birth.id for birth in line]])


def test_the_elites_of_a_shorter_run_are_among_the_ancestors(tmp_path):
    short = nf.evolve("lenet-mnist", generations=8, batch=50, out=tmp_path / "short")
    long = nf.evolve("lenet-mnist", generations=20, batch=50, out=tmp_path / "long")
    ancestors, found = replay_ancestors(long.folder), 0
    for class_index in ancestors.classes:
        line = ancestors.line(class_index)
        genomes = ancestors.genomes(line)
        for place, birth in enumerate(line):
            for cell in np.flatnonzero(short.archive.ids == birth.id):
                mine, its = genomes.describe(place), short.archive.genomes.describe(cell)
                assert [gene["weight"] for gene in mine["connections"]] == [
                    gene["weight"] for gene in its["connections"]
                ]
                assert [node["activation"] for node in mine["nodes"]] == [node["activation"] for node in its["nodes"]]
                found += 1
    assert found >= 10


def test_some_classes_of_a_run_that_left_some_out(tmp_path):
    run = nf.evolve("lenet-mnist", generations=5, batch=20, classes=[7, 2, 5], out=tmp_path / "run")
    ancestors = replay_ancestors(run.folder, [5])
    assert ancestors.classes == (5,)
    with pytest.raises(nf.ConfigError, match="class 7"):
        ancestors.line(7)
    with pytest.raises(nf.ModelError, match="Nothing was evolved for class 3"):
        replay_ancestors(run.folder, [3])


def test_a_thousand_classes(tmp_path):
    run = nf.evolve(judge((3, 4, 4), 1000), generations=40, out=tmp_path / "run")
    assert len(replay_ancestors(run.folder).classes) == 1000


class Gray(nf.ArrayEncoding):
    name: str = "gray"

    def random(self, count, shape, rng):
        return rng.random((count, 1))

    def mutate(self, genes, rng):
        return genes + rng.normal(0, 0.1, 1)

    def draw(self, genes, shape):
        return genes * 255


def test_runs_that_cannot_be_replayed(tmp_path):
    nf.evolve(judge((1, 4, 4), 3), strategy="neat", generations=2, batch=30, out=tmp_path / "neat")
    with pytest.raises(nf.RunError, match="with the neat strategy"):
        replay_ancestors(nf.RunFolder.open(tmp_path / "neat"))
    nf.register_encoding(Gray)
    nf.evolve(judge((1, 4, 4), 3), encoding="gray", generations=2, batch=30, out=tmp_path / "gray")
    with pytest.raises(nf.RunError, match="not with gray"):
        replay_ancestors(nf.RunFolder.open(tmp_path / "gray"))


@pytest.mark.parametrize("encoding", ["cppn", "direct"])
@pytest.mark.parametrize(
    "change", [("seed = 0", "seed = 1"), ("batch = 30", "batch = 31"), ("_rate = 0.1", "_rate = 0.15")]
)
def test_changed_settings_are_noticed(encoding, change, tmp_path):
    nf.evolve(judge((1, 4, 4), 3), encoding=encoding, generations=20, batch=30, seed=0, out=tmp_path / "run")
    path = tmp_path / "run" / "config.toml"
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(nf.RunError, match=r"cannot be made again|damaged"):
        replay_ancestors(nf.RunFolder.open(tmp_path / "run"))
