"""Encodings, strategies, judges and objectives from outside the package: run, saved, resumed."""

import importlib
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import neatfool as nf
from neatfool.search import build_config

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
own = importlib.import_module("own_search")


@nf.register_objective
class Margin(nf.Settings):
    """How far the class is above the best of the others, moved into [0, 1]."""

    name: Literal["margin"] = "margin"
    scale: float = 0.5

    def fitness(self, confidences, classes):
        others = [np.delete(confidences, index, axis=1).max(1) for index in classes]
        return ((1 + confidences[:, classes] - np.stack(others, 1)) * self.scale).astype(np.float32)


OWN = {"encoding": own.Stripes(), "strategy": own.HillClimbing(), "objective": Margin(), "batch": 8, "seed": 5}


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = nf.evolve(own.judge, encoding="stripes", strategy="hill-climbing", generations=50, out="runs/stripes")
    assert run.evaluations == 200 + 50 * 200
    assert run.archive.confidence.min() > 0.9
    # What the archive says is what the judge says of the pictures.
    assert np.allclose(own.halves(run.archive.pixels())[[0, 1], [0, 1]], run.archive.confidence, atol=1e-6)
    assert sorted(path.name for path in (tmp_path / "runs/stripes/images").iterdir()) == ["0.png", "1.png"]


def test_everything_own_is_saved_by_name_and_resumed_bit_for_bit(tmp_path):
    whole = nf.evolve(own.judge, generations=12, out=tmp_path / "whole", **OWN)
    nf.evolve(own.judge, generations=5, out=tmp_path / "parts", **OWN)
    parts = nf.resume(tmp_path / "parts", generations=12, judge=own.judge)
    a, b = (nf.RunFolder.open(tmp_path / name).load_checkpoint()[0] for name in ("whole", "parts"))
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name], b[name]), name
    assert isinstance(parts.config.encoding, own.Stripes)
    assert isinstance(parts.config.strategy, own.HillClimbing)
    assert parts.config.objective == Margin()
    assert not np.array_equal(whole.archive.fitness, whole.archive.confidence)
    assert np.allclose(
        whole.archive.fitness, Margin().fitness(own.halves(whole.archive.pixels()), np.arange(2))[[0, 1], [0, 1]]
    )


def test_a_run_with_another_judge_says_that_it_must_be_passed(tmp_path):
    nf.evolve(own.judge, generations=1, out=tmp_path / "run", **OWN)
    with pytest.raises(nf.RunError, match=r"judged by halves.*pass it as judge="):
        nf.resume(tmp_path / "run")
    other = nf.FunctionJudge(own.halves, image_shape=(1, 16, 16), classes=["left", "east"])
    with pytest.raises(nf.RunError, match="judged by halves"):
        nf.resume(tmp_path / "run", judge=other)


def test_an_installed_package_offers_an_encoding_by_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "flat_package.py").write_text(
        "import numpy as np\nimport neatfool as nf\n"
        "class Flat(nf.ArrayEncoding):\n"
        "    name: str = 'flat'\n"
        "    def random(self, count, shape, rng):\n        return rng.uniform(0, 255, (count, 1))\n"
        "    def mutate(self, genes, rng):\n        return genes + rng.normal(0, 9, 1)\n"
        "    def draw(self, genes, shape):\n        return genes[0]\n"
    )
    metadata = tmp_path / "flat_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: flat-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[neatfool.encodings]\nflat = flat_package:Flat\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    run = nf.evolve(own.judge, encoding="flat", generations=2, batch=6, out=tmp_path / "run")
    assert run.summary()["encoding"] == "flat"
    assert nf.resume(tmp_path / "run", generations=3, judge=own.judge).generation == 3


def test_settings_of_a_subclass_survive_the_configuration():
    class Loud(Margin):
        pass

    class Other(nf.Settings):
        name: str = "cppn"

    with pytest.raises(nf.ConfigError, match="Other is not what the encoding 'cppn' stands for"):
        nf.evolve(own.judge, encoding=Other())
    # What stands for the name may be derived from, and what was passed is what runs.
    loud = Loud(scale=0.25)
    assert build_config({"objective": loud}).objective is loud


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("encoding", "nothing", "There is no encoding 'nothing' here, only cppn, direct"),
        ("strategy", "nothing", "There is no strategy 'nothing' here"),
        ("encoding", 3, "3 is no encoding"),
    ],
)
def test_what_is_unknown_is_one_sentence(kind, value, words):
    with pytest.raises(nf.ConfigError, match=words):
        nf.evolve(own.judge, **{kind: value})


def test_settings_raise_one_sentence_of_our_own():
    with pytest.raises(nf.ConfigError, match=r"The setting weight_rate cannot be used \(it is 2\)"):
        nf.Cppn(weight_rate=2)
    with pytest.raises(nf.ConfigError, match="neat strategy evolves network topologies"):
        nf.evolve(own.judge, encoding=nf.Direct(), strategy=nf.Neat())
    with pytest.raises(nf.ConfigError, match=r"neat strategy evolves network topologies.*not stripes"):
        nf.Search((1, 8, 8), 3, encoding="stripes", strategy="neat")


def test_ask_and_tell_in_five_lines():
    search = nf.Search((1, 16, 16), classes=["left", "right"], encoding="stripes", batch=20, seed=1)
    for _ in range(20):
        images = search.ask()
        assert images.shape == (20, 1, 16, 16) and images.dtype == np.uint8
        search.tell(own.halves(images))
    assert search.archive["left"].confidence > 0.9
    assert search.evaluations == 400 and search.generation == 19
    run = nf.evolve(own.judge, encoding="stripes", batch=20, seed=1, generations=19)
    assert np.array_equal(run.archive.pixels(), search.archive.pixels())


@pytest.mark.parametrize("strategy", ["pattern-elites", "map-elites", "neat"])
def test_ask_is_the_same_when_asked_again_and_state_goes_through_arrays(strategy):
    def judge(images):
        flat = images.reshape(len(images), -1) / 255
        return np.stack([flat.mean(1), flat.std(1), flat[:, 0]], 1)

    def search() -> nf.Search:
        return nf.Search((3, 6, 6), 3, strategy=strategy, batch=12, seed=2)

    one = search()
    for _ in range(4):
        images = one.ask()
        assert np.array_equal(images, one.ask())
        one.tell(judge(images))
    other = search()
    other.restore(one.arrays(), generation=one.generation, evaluations=one.evaluations)
    for _ in range(3):
        assert np.array_equal(one.ask(), other.ask())
        assert one.tell(judge(one.ask())) == other.tell(judge(other.ask()))
    assert np.array_equal(one.archive.confidence, other.archive.confidence)


def test_tell_refuses_what_is_no_confidence():
    search = nf.Search((1, 4, 4), 2, batch=3)
    with pytest.raises(ValueError, match="call ask"):
        search.tell(np.zeros((3, 2)))
    search.ask()
    with pytest.raises(ValueError, match=r"\(images, classes\) = \(3, 2\), not \(3, 5\)"):
        search.tell(np.zeros((3, 5)))
    for worst in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            search.tell(np.array([[0.1, 0.2], [0.3, worst], [0, 0]]))
    search.tell(np.array([[0.1, 0.2], [0.3, 0.1], [0, 0]]))
    assert search.archive.confidence.tolist() == pytest.approx([0.3, 0.2])


@pytest.mark.parametrize("later", [False, True])
def test_a_judge_that_returns_no_number_is_named_and_wins_nothing(later, tmp_path):
    calls = []

    def sick(images):
        calls.append(len(images))
        scores = own.halves(images)
        if not later or len(calls) > 7:  # four in the trial, three generations
            scores[-1, 0] = np.nan
        return scores

    judge = nf.FunctionJudge(sick, image_shape=(1, 16, 16), classes=2)
    with pytest.raises(
        nf.JudgeError if later else nf.ModelError,
        match="sick returned infinite or undefined numbers, first for image 7 of 8",
    ) as one:
        nf.evolve(judge, out=tmp_path / "run", **OWN)
    if not later:
        assert not (tmp_path / "run").exists()
        return
    assert str(one.value).startswith("In generation 3, ") and "neatfool resume" in str(one.value)
    assert np.load(tmp_path / "run/failed_batch.npy").shape == (8, 1, 16, 16)
    healthy = nf.FunctionJudge(own.halves, image_shape=(1, 16, 16), classes=2, name="sick")
    run = nf.resume(tmp_path / "run", generations=9, judge=healthy)
    assert run.generation == 9 and np.isfinite(run.archive.confidence).all()


def test_classes_are_named_the_same_ways_everywhere():
    judge = nf.FunctionJudge(
        lambda images: np.zeros((len(images), 4)), image_shape=(1, 4, 4), classes=["a", "b", "c", "dd"]
    )
    for classes, found in (("0-1,dd", [0, 1, 3]), (2, [2]), (["c", 0], [2, 0]), ("d", [3]), (None, [0, 1, 2, 3])):
        assert nf.evolve(judge, classes=classes, generations=0, batch=3).archive.classes.tolist() == found
    for classes, words in (([], "No class"), ("7", "no class 7"), ("3-1", "runs backwards"), (-1, "no class -1")):
        with pytest.raises(nf.ModelError, match=words):
            nf.evolve(judge, classes=classes, generations=0, batch=3)


def test_runs_archives_and_elites_show_themselves(tmp_path):
    pytest.importorskip("pandas")
    run = nf.evolve(own.judge, generations=3, out=tmp_path / "run", **OWN)
    assert "generation 3 of 3" in repr(run) and "halves" in repr(run)
    assert "2 classes" in repr(run.archive)
    for shown in (run, run.archive, run.search, run.folder, run.archive["left"]):
        assert shown._repr_html_().count("<img") == (1 if shown is not run.archive and hasattr(shown, "genome") else 2)
    table = run.to_pandas()
    assert table.columns.tolist() == ["class", "class_name", "confidence", "id", "generation"]
    assert np.array_equal(table["confidence"], run.archive.confidence)
    assert "left" in run.archive._repr_html_()


def test_a_report_is_of_a_run_its_folder_or_several(tmp_path):
    run = nf.evolve(own.judge, generations=1, out=tmp_path / "run", **OWN)
    pages = []
    for source in (run, run.folder, tmp_path / "run", str(tmp_path / "run"), [run]):
        nf.write_report(source, tmp_path / "page.html")
        pages.append((tmp_path / "page.html").read_text())
    assert len(set(pages)) == 1
    with pytest.raises(nf.RunError, match="begin it with out"):
        nf.write_report(nf.evolve(own.judge, generations=1, **OWN), tmp_path / "page.html")


def test_hostile_class_names_are_inert_in_a_notebook():
    judge = nf.FunctionJudge(
        lambda images: np.zeros((len(images), 2)), image_shape=(1, 4, 4), classes=["<script>", "&amp;"]
    )
    html = nf.evolve(judge, generations=0, batch=2)._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "&amp;amp;" in html


def test_a_bare_module_gets_the_sentence():
    torch = pytest.importorskip("torch")
    with pytest.raises(nf.ModelError, match="bare torch module"):
        nf.evolve(torch.nn.Linear(3, 2))
    with pytest.raises(nf.ModelError, match="bare torch module"):
        nf.ascend(torch.nn.Linear(3, 2))
    with pytest.raises(nf.ModelError, match="list is no classifier"):
        nf.evolve([])
