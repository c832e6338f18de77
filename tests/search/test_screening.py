"""Judged roughly first: the archive holds what the exact judge says, and nothing that only the rough one said."""

import json
import sys
from contextlib import closing

import numpy as np
import pytest
import torch

import neatfool as nf
from neatfool.search.evaluate import Evaluator, Profile
from neatfool.search.screening import Screen, contenders

SHAPE = (1, 8, 8)
ELITES = np.array([0.5, 0.01], np.float32)
GIVEN = {"batch": 40, "seed": 3}


class Small(torch.nn.Module):
    """Takes (N, 1, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = torch.nn.Conv2d(1, 16, 3)
        self.head = torch.nn.Linear(16 * 36, 5)
        for one in self.parameters():
            one.data = torch.randn(one.shape, generator=generator) / 4

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).flatten(1))


class Brightness(torch.nn.Module):
    """Nothing in it is calculated in another precision."""

    def forward(self, x):
        means = x.mean((1, 2, 3))
        return torch.stack([2 * means, 1 - means], 1)


def small(**options) -> nf.Classifier:
    return nf.Classifier(Small(), input_size=8, channels=1, name="small", device="cpu", **({"chunk": 8} | options))


def exact(images: np.ndarray) -> np.ndarray:
    means = images.mean((2, 3))[:, 0] / 255
    return np.stack([means, 1 - means, means * (1 - means)], 1) * 0.9


def liar(images: np.ndarray) -> np.ndarray:
    """Off by up to a log odd, and for each image in its own way."""
    odds = np.log(exact(images) / (1 - exact(images)) + 1e-6)
    off = np.array([np.random.default_rng(image.sum()).uniform(-1, 1, 3) for image in images])
    return 1 / (1 + np.exp(-odds - off))


def judge(function) -> nf.FunctionJudge:
    return nf.FunctionJudge(function, image_shape=SHAPE, classes=3)


def search(rough=None, *, generations: int = 20, **options) -> tuple[nf.Search, int]:
    """A search with the exact judge, screened by another one, and how many were judged twice."""
    result, twice = nf.Search(SHAPE, 3, batch=20, seed=1), 0
    with closing(Evaluator(judge(exact), Profile())) as evaluator:
        result.tell(evaluator(result.ask_genomes()))
        for _ in range(generations):
            genomes = result.ask_genomes()
            if rough is None:
                result.tell(evaluator(genomes))
                continue
            with closing(Evaluator(judge(rough), Profile())) as first:
                scores, near = Screen(first, evaluator, **options)(genomes, result.archive)
            result.tell(scores, contenders=near)
            twice += len(near)
    return result, twice


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert np.array_equal(values, other[name]), name


def test_contenders_are_near_the_elite_and_near_the_best_child():
    # ln(p / (1 - p)): the elites have 0 and -4.595, the margin is 1.
    rough = np.array(
        [
            [0.28, 0.003],  # -0.944: near the first elite
            [0.26, 0.003],  # -1.046: too far
            [0.01, 0.02],  # -3.892: above the second elite
            [0.01, 0.0075],  # -4.885: near both the second elite and the best child for it
            [0.01, 0.007],  # -4.955: near the elite alone
        ],
        np.float32,
    )
    assert contenders(rough, ELITES, margin=1).tolist() == [0, 2, 3]
    assert contenders(rough[[1, 4]], ELITES, margin=1).tolist() == [1]
    assert contenders(rough, ELITES, margin=0).tolist() == [2]
    assert contenders(rough[:2], ELITES, margin=0).tolist() == []


def test_with_a_negative_margin_they_are_the_best_child_and_well_ahead_of_the_elite():
    rough = np.array(
        [
            [0.58, 0.003],  # 0.323: ahead of the first elite, but another child is more so
            [0.63, 0.003],  # 0.532: well ahead
            [0.01, 0.02],  # -3.892: well ahead of the second elite
            [0.01, 0.013],  # -4.330: ahead of it by 0.265
            [0.01, 0.012],  # -4.411: ahead of it by 0.184
        ],
        np.float32,
    )
    assert contenders(rough, ELITES, margin=-0.25).tolist() == [1, 2]
    assert contenders(rough[[0, 3]], ELITES, margin=-0.25).tolist() == [0, 1]
    assert contenders(rough[[0, 4]], ELITES, margin=-0.25).tolist() == [0]
    assert contenders(rough[[0]], ELITES, margin=-0.4).tolist() == []


def test_confidences_of_0_and_1_have_their_order_too():
    rough = np.array([[1, 0], [0.5, 0]], np.float32)
    assert contenders(rough, np.array([1, 0], np.float32), margin=0).tolist() == [0, 1]
    assert contenders(rough, np.array([0.999, 1], np.float32), margin=1).tolist() == [0]
    assert contenders(rough, np.array([0.9, 0], np.float32), margin=-0.25).tolist() == [0]
    assert contenders(rough, np.array([1, 0], np.float32), margin=-0.25).tolist() == []


@pytest.mark.parametrize("margin", [0.0, 0.01])
def test_a_screen_that_is_the_exact_judge_changes_nothing(margin):
    plain, _ = search()
    screened, twice = search(exact, margin=margin)
    assert_same(plain.arrays(), screened.arrays())
    assert plain.evaluations == screened.evaluations == 21 * 20
    assert 0 < twice < 400


def test_a_run_screened_in_bfloat16_is_that_of_float32():
    plain = nf.evolve(small(), generations=30, **GIVEN)
    screened = nf.evolve(small(), generations=30, screen="bfloat16", **GIVEN)
    assert_same(plain.search.arrays(), screened.search.arrays())
    assert 0 < screened.judged_twice < 30 * 40


def test_what_a_liar_says_never_gets_into_the_archive():
    result, twice = search(liar, margin=0.5)
    assert np.array_equal(judge(exact).confidences(result.archive.pixels()).diagonal(), result.archive.confidence)
    assert 0 < twice < 400


def test_who_is_no_contender_holds_no_cell_however_high():
    result = nf.Search(SHAPE, 3, batch=4, seed=1)
    result.ask()
    result.tell(np.full((4, 3), 0.1))
    result.ask()
    assert result.tell(np.array([[1, 1, 1], [0.2, 0, 0.05], [1, 1, 1], [0, 0.3, 0]]), contenders=np.array([1, 3])) == 2
    assert result.archive.ids.tolist() == [5, 7, 0]
    assert result.archive.confidence.tolist() == np.array([0.2, 0.3, 0.1], np.float32).tolist()
    result.ask()
    assert result.tell(np.ones((4, 3)), contenders=np.empty(0, np.int64)) == 0
    assert result.evaluations == 12


@pytest.mark.parametrize("strategy", ["pattern-elites", "neat"])
def test_a_screened_run_states_float32_and_resumes_bit_for_bit(strategy, tmp_path):
    options = {**GIVEN, "strategy": strategy, "screen": "bfloat16"}
    whole = nf.evolve(small(), generations=12, out=tmp_path / "whole", **options)
    judged = small().confidences(whole.archive.pixels())
    assert np.array_equal(judged.diagonal(), whole.archive.confidence)
    assert whole.evaluations == 13 * 40
    twice = [row["judged_twice"] for row in whole.metrics]
    assert twice[0] == 0 and np.diff(twice).min() >= 0
    assert 0 < twice[-1] == whole.judged_twice == whole.summary()["judged_twice"] < 12 * 40
    assert 'screen = "bfloat16"' in (tmp_path / "whole/config.toml").read_text()

    nf.evolve(small(), generations=5, out=tmp_path / "parts", **options)
    parts = nf.resume(tmp_path / "parts", generations=12, judge=small())
    assert_same(*(nf.RunFolder.open(tmp_path / name).load_checkpoint()[0] for name in ("whole", "parts")))
    assert parts.judged_twice == whole.judged_twice
    assert [{**row, "seconds": 0} for row in parts.metrics] == [{**row, "seconds": 0} for row in whole.metrics]


def test_a_run_without_a_screen_says_nothing_of_one(tmp_path):
    run = nf.evolve(small(), generations=2, out=tmp_path / "run", **GIVEN)
    assert run.summary()["judged_twice"] is None
    assert "judged_twice" not in (tmp_path / "run/metrics.jsonl").read_text()
    assert "screen" not in (tmp_path / "run/config.toml").read_text()
    assert "judged_twice" not in run.folder.load_checkpoint()[1]


@pytest.mark.filterwarnings("ignore")
def test_eight_bits_are_kept_and_made_again_where_they_are_damaged(tmp_path, caplog):
    pytest.importorskip("nncf")
    options = {**GIVEN, "screen": "int8"}
    whole = nf.evolve(small(), generations=6, out=tmp_path / "whole", **options)
    assert np.array_equal(small().confidences(whole.archive.pixels()).diagonal(), whole.archive.confidence)
    assert 0 < whole.judged_twice < 240
    kept = tmp_path / f"whole/screen/{small().fingerprint()}.safetensors"
    bytes_then = kept.read_bytes()

    nf.evolve(small(), generations=3, out=tmp_path / "parts", **options)
    damaged = tmp_path / "parts" / kept.relative_to(tmp_path / "whole")
    damaged.write_bytes(bytes_then[:-1] + bytes([bytes_then[-1] ^ 1]))
    nf.resume(tmp_path / "parts", generations=4, judge=small())
    assert "is not what was written" in caplog.text and "quantised again" in caplog.text

    repaired = damaged.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "nncf", None)
        nf.resume(tmp_path / "parts", generations=6, judge=small())
        assert damaged.read_bytes() == repaired
        damaged.unlink()
        with pytest.raises(nf.ModelError, match=r"pip install 'neatfool\[int8\]'"):
            nf.resume(tmp_path / "parts", generations=7, judge=small())
    assert_same(*(nf.RunFolder.open(tmp_path / name).load_checkpoint()[0] for name in ("whole", "parts")))


def refused(source, match: str, tmp_path, error=nf.ConfigError, **options) -> None:
    with pytest.raises(error, match=match):
        nf.evolve(source, generations=1, batch=8, out=tmp_path / "run", **({"screen": "bfloat16"} | options))
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_screened_is_one_sentence(tmp_path, monkeypatch):
    own = nf.FunctionJudge(exact, image_shape=SHAPE, classes=3, name="mine")
    refused(own, "but mine is a judge of your own; leave it out", tmp_path)
    own.stands_for = small()
    refused(own, "leave out --workers", tmp_path, screen="int8")
    refused(small(precision="bfloat16"), "leave out --precision bfloat16", tmp_path)
    refused(small(), "screening takes a judge that is a function of the image", tmp_path, allow_noise=True)
    refused(small(), "screen cannot be used", tmp_path, screen="int4")
    bright = nf.Classifier(Brightness(), input_size=8, channels=1, device="cpu", name="bright")
    refused(bright, "bright calculates in float32 whatever", tmp_path, error=nf.ModelError)
    monkeypatch.setitem(sys.modules, "openvino", None)
    refused(small(), r"pip install 'neatfool\[int8\]'", tmp_path, error=nf.ModelError, screen="int8")


def test_another_objective_is_refused(tmp_path):
    @nf.register_objective
    class Doubt(nf.Settings):
        name: str = "doubt"

        def fitness(self, confidences, classes):
            return 1 - confidences[:, classes]

    refused(small(), "does not fit the objective doubt; leave out screen", tmp_path, objective="doubt")


def test_the_command_line_screens_and_goes_on(tmp_path, monkeypatch, capsys):
    from neatfool.cli import run

    monkeypatch.chdir(tmp_path)
    command = ["evolve", "--batch", "30", "--screen", "bfloat16", "--device", "cpu"]
    assert run([*command, "--generations", "3", "--out", "a", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["judged_twice"] <= 90 and found["evaluations"] == 120
    assert run(["resume", "a", "--generations", "4"]) == 0
    out, err = capsys.readouterr()
    assert "judged twice" in out and "% judged twice" in err
    assert run([*command, "--precision", "float16", "--out", "b"]) == 2
    assert capsys.readouterr().err.count("leave out --precision float16") == 1
    assert run(["evolve", "--screen", "int4"]) == 2
