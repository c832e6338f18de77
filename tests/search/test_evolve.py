"""Whole runs against a small network: reproducible, resumable, honest about where they stand."""

import itertools
import json
import shutil
import time

import numpy as np
import pytest
import torch

import neatfool as nf
from neatfool import _core
from neatfool.search import build_config, replay_ancestors
from neatfool.search.evaluate import Profile


class Tiny(torch.nn.Module):
    """Random features of an 8 x 8 image, 5 classes."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = torch.nn.Parameter(torch.randn(channels * 64, 32, generator=generator) / 4)
        self.second = torch.nn.Parameter(torch.randn(32, 5, generator=generator))

    def forward(self, x):
        return torch.relu(x.flatten(1) @ self.first) @ self.second


def tiny(channels: int = 1, **options) -> nf.Classifier:
    return nf.Classifier(Tiny(channels), input_size=8, channels=channels, name="tiny", chunk=16, **options)


KINDS = {
    "cppn": {"encoding": nf.Cppn()},
    "cppn, paper": {"encoding": nf.Cppn(coordinates="pixel", initial_mutations=0)},
    "direct": {"encoding": nf.Direct(halve_every=3)},
    "direct, paper": {"encoding": nf.Direct(initial_cells=0, halve_every=3), "strategy": nf.MapElites()},
    "map-elites": {"strategy": nf.MapElites()},
    "neat": {"strategy": nf.Neat()},
}


def run(kind: str, *, channels: int = 1, **options) -> nf.Run:
    return nf.evolve(tiny(channels), **{"generations": 10, "batch": 40, "seed": 3} | KINDS[kind] | options)


def state(result: nf.Run) -> dict[str, np.ndarray]:
    archive = result.archive
    return {
        "confidence": archive.confidence,
        "ids": archive.ids,
        "generation": archive.generation,
        "images": archive.images(),
        **{f"genomes.{k}": v for k, v in archive.genomes.arrays().items()},
    }


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        assert np.array_equal(a[name], b[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_confidence_is_what_the_classifier_says_of_the_image(kind):
    result = run(kind, channels=3)
    assert result.archive.images().shape == (5, 8, 8, 3)
    judged = tiny(3).confidences(np.ascontiguousarray(result.archive.images().transpose(0, 3, 1, 2)))
    # Another place in a chunk may change the last bits of a network as small as this one.
    assert np.allclose(judged[np.arange(5), np.arange(5)], result.archive.confidence, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_search_improves_and_never_loses(kind):
    result = run(kind, generations=25)
    mean = [row["mean_confidence"] for row in result.metrics]
    assert all(before <= after for before, after in itertools.pairwise(mean))
    assert mean[-1] > mean[0] + 0.01
    assert result.evaluations == 40 + 25 * 40 == result.metrics[-1]["evaluations"]


@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_a_run(kind):
    try:
        results = []
        for threads in (1, 2, 5):
            nf.set_threads(threads)
            results.append(state(run(kind)))
    finally:
        nf.set_threads(0)
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_matter_and_global_generators_do_not(kind):
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    first = state(run(kind))
    assert before[0] == np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())
    torch.manual_seed(2)
    assert_same(first, state(run(kind)))
    assert not np.array_equal(first["images"], state(run(kind, seed=4))["images"])


@pytest.mark.parametrize("kind", KINDS)
def test_resume_is_bit_for_bit(kind, tmp_path):
    whole = run(kind, generations=12, out=tmp_path / "whole")
    run(kind, generations=5, out=tmp_path / "parts")
    nf.resume(tmp_path / "parts", generations=7, judge=tiny())
    parts = nf.resume(tmp_path / "parts", generations=12, judge=tiny())
    assert_same(state(whole), state(parts))
    a, _ = nf.RunFolder.open(tmp_path / "whole").load_checkpoint()
    b, _ = nf.RunFolder.open(tmp_path / "parts").load_checkpoint()
    assert_same(a, b)
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in nf.RunFolder.open(tmp_path / name).metrics()]
        for name in ("whole", "parts")
    ]
    assert rows[0] == rows[1]
    for index in range(5):
        name = f"images/{index}.png"
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_run_killed_after_its_last_checkpoint_goes_on_from_there(tmp_path):
    run("cppn", generations=4, out=tmp_path / "killed")
    folder = nf.RunFolder.open(tmp_path / "killed")
    for generation in (5, 6):  # written, but not yet in a checkpoint
        folder.append_metrics({"generation": generation, "evaluations": 0})
    parts = nf.resume(tmp_path / "killed", generations=8, judge=tiny())
    assert_same(state(run("cppn", generations=8)), state(parts))
    assert [row["generation"] for row in folder.metrics()] == list(range(9))


@pytest.mark.parametrize("kind", KINDS)
def test_stopping_early_writes_a_checkpoint(kind, tmp_path):
    seen = []
    stopped = run(kind, out=tmp_path / "run", progress=seen.append, stop=lambda: len(seen) == 4)
    assert stopped.generation == 3
    assert_same(state(run(kind)), state(nf.resume(tmp_path / "run", judge=tiny())))


@pytest.mark.parametrize("kind", ["cppn", "neat"])
def test_lineage_leads_back_to_the_start(kind, tmp_path):
    result = run(kind, out=tmp_path / "run")
    for cell, individual in enumerate(result.archive.ids.tolist()):
        line = result.lineage.ancestry(individual)
        assert line[0].generation == result.archive.generation[cell]
        assert line[-1].generation == 0
        assert line[-1].class_index is None
        for child, parent in itertools.pairwise(line):
            assert parent.id == child.parents[0]
            assert parent.generation < child.generation
            assert child.class_index in range(5)
            assert child.id == 40 + (child.generation - 1) * 40 + (child.id - 40) % 40


def test_births_record_how_sure_the_judge_was_of_the_parent(tmp_path):
    result = run("cppn", out=tmp_path / "run")
    ancestors = replay_ancestors(result.folder)
    judge = tiny()
    for index in result.archive.classes.tolist():
        line = ancestors.line(index)
        genomes = ancestors.genomes(line)
        pictures = np.empty((len(line), *genomes.shape), np.uint8)
        genomes.render(pictures)
        judged = judge.confidences(pictures)
        assert line[0].parent_confidence is None
        for parent, child in enumerate(line[1:]):
            assert child.parent_confidence == pytest.approx(judged[parent, child.class_index], abs=1e-6)
    arrays, metadata = result.folder.load_checkpoint()
    del arrays["lineage.confidence"]
    result.folder.save_checkpoint(arrays, metadata)
    older = nf.resume(tmp_path / "run", judge=tiny(), generations=result.generation)
    assert {older.lineage.birth(one).parent_confidence for one in older.archive.ids.tolist()} == {None}


def test_neat_crosses_and_keeps_populations():
    result = run("neat", generations=30)
    births = result.lineage.array()
    assert (births[:, 2] >= 0).any(), "no child with two parents among the ancestors"
    arrays = result.search.arrays()
    owner, fitness, ids = (arrays[f"strategy.{name}"] for name in ("owner", "fitness", "ids"))
    # 40 children for 5 classes; champions and guests come on top of each population's 8.
    assert (np.bincount(owner, minlength=5) >= 8).all() and (np.diff(owner) >= 0).all()
    assert len(json.loads(arrays["strategy.species"].tobytes())) == 5
    pool = result.archive.genomes.relatives({k[14:]: v for k, v in arrays.items() if k.startswith("strategy.pool.")})
    pictures = np.empty((len(pool), *pool.shape), np.uint8)
    pool.render(pictures)
    judged = tiny().confidences(pictures)
    assert np.allclose(judged[np.arange(len(pool)), owner], fitness, atol=1e-5)
    best = {cell: fitness[owner == cell].max() for cell in range(5)}
    assert np.allclose([best[cell] for cell in range(5)], result.archive.confidence, atol=1e-6)
    assert len(np.unique(ids[owner == 0])) == (owner == 0).sum()


def test_only_the_chosen_classes_are_evolved_for(tmp_path):
    result = run("cppn", classes="4,1-2", out=tmp_path / "run")
    assert result.archive.classes.tolist() == [4, 1, 2]
    assert sorted(p.name for p in (tmp_path / "run/images").iterdir()) == ["1.png", "2.png", "4.png"]
    assert result.summary()["classes"] == 3


def test_the_config_written_starts_the_run_again(tmp_path):
    first = run("direct", out=tmp_path / "run")
    config = build_config(nf.RunFolder.open(tmp_path / "run").config)
    assert_same(state(first), state(nf.evolve(tiny(), config=config)))


def test_summary_has_the_contract_keys(tmp_path):
    summary = run("cppn", out=tmp_path / "run").summary()
    assert {
        "run", "model", "encoding", "strategy", "seed", "generations", "evaluations", "classes", "median_confidence",
        "mean_confidence", "min_confidence", "classes_over_99", "classes_over_9999", "seconds",
        "evaluations_per_second",
    } <= summary.keys()  # fmt: skip
    json.dumps(summary)


def test_errors_are_sentences_and_lose_nothing(tmp_path):
    run("cppn", generations=3, out=tmp_path / "run")
    with pytest.raises(nf.RunError, match="already holds files"):
        run("cppn", out=tmp_path / "run")
    with pytest.raises(nf.ConfigError, match="has 3 generations already"):
        nf.resume(tmp_path / "run", generations=2, judge=tiny())
    other = tiny()
    with torch.no_grad():
        other.module.second[0, 0] += 1
    with pytest.raises(nf.RunError, match="other weights"):
        nf.resume(tmp_path / "run", generations=9, judge=other)
    with pytest.raises(nf.RunError, match="no run folder"):
        nf.resume(tmp_path / "nothing")
    with pytest.raises(nf.ConfigError, match="batch of 9 is too small"):
        nf.evolve(tiny(), strategy=nf.Neat(), batch=9)
    assert nf.resume(tmp_path / "run", generations=4, judge=tiny()).generation == 4


def test_a_tampered_checkpoint_is_refused(tmp_path):
    run("cppn", generations=2, out=tmp_path / "run")
    folder = nf.RunFolder.open(tmp_path / "run")
    arrays, metadata = folder.load_checkpoint()
    for name, change in {
        "archive.genomes.weights": lambda a: a + 100,
        "archive.genomes.sources": lambda a: a + 1000,
        "archive.genomes.node_counts": lambda a: a + 1,
        "archive.genomes.node_activations": lambda a: a + 100,
        "archive.confidence": lambda a: a.astype(np.float64),
        "lineage": lambda a: a[:, :3],
    }.items():
        copy = tmp_path / name
        shutil.copytree(tmp_path / "run", copy)
        nf.RunFolder.open(copy).save_checkpoint(arrays | {name: change(arrays[name])}, metadata)
        with pytest.raises(nf.RunError):
            nf.resume(copy, generations=3, judge=tiny())


def test_default_sizes():
    def sizes(classes: int, **options) -> tuple[int, int]:
        search = nf.Search((1, 8, 8), classes, **options)
        return search.start, search.batch

    assert sizes(10) == (200, 200)
    assert sizes(1000) == (400, 400)
    assert sizes(1000, batch=50) == (50, 50)
    assert sizes(30, strategy=nf.Neat()) == (600, 600)


def test_draw_parents_is_uniform_and_splits_anywhere():
    whole = _core.draw_parents(6000, 2, 6, seed=1, generation=2, first_index=0)
    parts = [_core.draw_parents(n, 2, 6, seed=1, generation=2, first_index=i) for i, n in ((0, 1000), (1000, 5000))]
    assert np.array_equal(whole, np.concatenate(parts))
    counts = np.bincount(whole.ravel(), minlength=6)
    assert (abs(counts - 2000) < 200).all()


def test_a_profile_counts_every_second_once() -> None:
    begin = time.perf_counter()
    run = nf.evolve(generations=5, batch=40)
    spent = time.perf_counter() - begin
    seconds = run.profile.seconds
    assert all(value > 0 for stage, value in seconds.items() if stage != "write")
    assert sum(seconds.values()) < spent
    profile = Profile()
    begin = time.perf_counter()
    with profile.stage("classify"), profile.stage("render"):
        time.sleep(0.05)
    assert 0.05 < sum(profile.seconds.values()) < time.perf_counter() - begin
