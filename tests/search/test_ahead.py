"""Generations that are bred before the ones before them are judged."""

import numpy as np
import pytest

import neatfool as nf
from neatfool.cli import run as run_command
from neatfool.search import build_config

SHAPE = (1, 8, 8)


def look(images):
    """Brightness, contrast and the first pixel of every image."""
    flat = images.reshape(len(images), -1) / 255
    return np.stack([flat.mean(1), 2 * flat.std(1), flat[:, 0]], 1).clip(0, 1).astype(np.float32)


JUDGE = nf.FunctionJudge(look, image_shape=SHAPE, classes=3)
SETTINGS = {"batch": 12, "seed": 4}


@pytest.mark.parametrize("strategy", ["pattern-elites", "map-elites"])
@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_a_child_descends_from_those_who_were_judged_so_many_generations_before_it(strategy, ahead):
    search = nf.Search(SHAPE, 3, strategy=strategy, ahead=ahead, **SETTINGS)
    newest = []
    for generation in range(30):
        waiting = search.ask_generations()
        assert len(waiting) == (1 + ahead if generation else 1)
        assert search.ask_genomes() is waiting[0]
        if generation:
            parents = search._asked[-1].offspring.parents
            newest.append(generation + ahead - 1 - (parents.max() // SETTINGS["batch"]))
        search.tell(look(search.ask()))
        assert search.generation == generation
    # Never later than that; and not always earlier.
    assert min(newest) == ahead


def arrays_of(run):
    return {name: values.tobytes() for name, values in run.search.arrays().items()}


@pytest.mark.parametrize("ahead", [1, 2])
def test_stopping_resuming_and_going_further_change_nothing(tmp_path, ahead):
    whole = nf.evolve(JUDGE, ahead=ahead, generations=12, **SETTINGS)
    nf.evolve(JUDGE, ahead=ahead, generations=0, out=tmp_path / "run", **SETTINGS)
    for generations in (1, 2, 5, 6, 12):
        run = nf.resume(tmp_path / "run", generations=generations, judge=JUDGE)
        assert run.config.ahead == ahead
    assert arrays_of(run) == arrays_of(whole)
    assert arrays_of(run) != arrays_of(nf.evolve(JUDGE, generations=12, **SETTINGS))
    further = nf.evolve(JUDGE, ahead=ahead, generations=3, **SETTINGS)
    further.advance(12)
    assert arrays_of(further) == arrays_of(whole)
    assert np.array_equal(further.lineage.array(), whole.lineage.array())


def test_a_long_run_keeps_the_ancestors_of_those_who_are_not_judged_yet(tmp_path):
    # Every hundredth generation the lineage forgets who has no living descendants.
    nf.evolve(JUDGE, ahead=3, generations=205, out=tmp_path / "run", **SETTINGS)
    run = nf.resume(tmp_path / "run", generations=206, judge=JUDGE)
    for name in run.archive.class_names:
        assert run.lineage.ancestry(run.archive[name].id)[-1].generation == 0


def test_what_does_not_go_together_is_one_sentence():
    with pytest.raises(nf.ConfigError, match="neat strategy makes a generation out of the one before"):
        nf.Search(SHAPE, 3, strategy="neat", ahead=1)
    with pytest.raises(nf.ConfigError, match="neat strategy makes a generation out of the one before"):
        nf.evolve(JUDGE, strategy="neat", ahead=1)
    with pytest.raises(nf.ConfigError, match="leave out ahead or screen"):
        build_config({"ahead": 1, "screen": "int8"})
    for ahead in (-1, 101):
        with pytest.raises(nf.ConfigError, match="ahead"):
            nf.evolve(JUDGE, ahead=ahead)
        with pytest.raises(nf.ConfigError, match="ahead must be from 0 to 100"):
            nf.Search(SHAPE, 3, ahead=ahead)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("parents", lambda values: values[:-1], "parents"),
        ("parents", lambda values: np.full_like(values, -7), "parents"),
        ("parents", lambda values: np.full_like(values, 10**6), "lacks individuals that are alive"),
        ("classes", lambda values: np.full_like(values, 3), "classes"),
        ("parent_confidence", lambda values: np.full_like(values, np.nan), "parent_confidence"),
        ("classes", None, "lacks the array"),
    ],
)
def test_damaged_children_are_refused(name, change, words):
    search = nf.Search(SHAPE, 3, ahead=2, **SETTINGS)
    for _ in range(3):
        search.tell(look(search.ask()))
    arrays = search.arrays()
    nf.Search(SHAPE, 3, ahead=2, **SETTINGS).restore(arrays, generation=2, evaluations=36)
    key = f"ahead.1.{name}"
    arrays = {
        one: change(values) if one == key and change else values
        for one, values in arrays.items()
        if change or one != key
    }
    with pytest.raises(nf.RunError, match=words):
        nf.Search(SHAPE, 3, ahead=2, **SETTINGS).restore(arrays, generation=2, evaluations=36)
    fewer = nf.Search(SHAPE, 3, ahead=2, batch=11, seed=4)
    with pytest.raises(nf.RunError, match="holds 12 children of 11"):
        fewer.restore(search.arrays(), generation=2, evaluations=36)


def test_the_command_line_breeds_ahead_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["evolve", "--batch", "20", "--ahead", "1", "--quiet"]
    assert run_command([*command, "--generations", "4", "--out", "whole"]) == 0
    assert run_command([*command, "--generations", "2", "--out", "parts"]) == 0
    assert run_command(["resume", "parts", "--generations", "4", "--quiet"]) == 0
    whole, parts = (nf.RunFolder.open(name).load_checkpoint()[0] for name in ("whole", "parts"))
    assert {name: values.tobytes() for name, values in whole.items()} == {
        name: values.tobytes() for name, values in parts.items()
    }
    capsys.readouterr()
    assert run_command([*command, "--strategy", "neat"]) == 2
    assert "leave out ahead" in capsys.readouterr().err
