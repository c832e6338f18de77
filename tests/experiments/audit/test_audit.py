import json

import numpy as np
import pytest
from digits import write_digits

import neatfool as nf
from neatfool.cli import run as cli
from neatfool.experiments.audit.measure import MOST_IMAGES

CONTRACT = {"model", "protocol", "score", "score_low", "score_high", "attacks", "detectors", "accuracy", "ece"}


def summary_of(result):
    return {key: value for key, value in result.summary().items() if key not in ("run", "seconds", "weights_hash")}


def audited(out, *, stop_after=None):
    told = []
    stop = None if stop_after is None else lambda: len(told) >= stop_after
    return nf.audit("lenet-mnist", budget=12, seeds=2, out=out, progress=told.append, stop=stop), told


def test_an_audit_says_all_that_is_promised(tmp_path):
    result, told = audited(tmp_path / "audit")
    summary = result.summary()
    assert summary.keys() >= CONTRACT
    assert summary["protocol"] == "neatfool-audit-1"
    assert 0 <= summary["score_low"] <= summary["score"] <= summary["score_high"] <= 100
    assert summary["score"] == pytest.approx(np.mean(summary["seed_scores"]))
    assert summary["score"] == pytest.approx(100 * np.mean([one["area"] for one in summary["attacks"]]))
    for one in summary["attacks"]:
        assert one.keys() >= {"name", "passes", "area", "classes_fooled", "passes_to_first", "passes_to_half"}
        assert one["classes_fooled"] == round(20 * (one["curve"][-1][1] if one["curve"] else 0))
    assert summary["accuracy"] is summary["ece"] is summary["feeding"] is None
    assert summary["detectors"] == []
    assert {now.unit for now in told} == {"passes"}
    assert [now.done for now in told] == sorted(now.done for now in told)
    assert told[-1].done == told[-1].total
    json.dumps(summary, allow_nan=False)


def test_the_images_are_those_that_the_classifier_was_judged_by(tmp_path):
    result, _ = audited(tmp_path / "audit")
    classifier = nf.load_classifier("lenet-mnist")
    for one in result.attacks:
        scores = classifier.confidences(one.images.reshape(-1, 1, 28, 28))
        np.testing.assert_array_equal(scores[np.arange(20), one.classes.ravel()], one.confidence.ravel())
    stored = result.folder.image(3, "gradient.1")
    np.testing.assert_array_equal(stored, result.attacks[2].images[1, 3, 0])


@pytest.mark.parametrize("events", [1, 7])
def test_stopped_and_resumed_it_comes_to_the_same(tmp_path, events):
    whole, _ = audited(tmp_path / "whole")
    stopped, _ = audited(tmp_path / "stopped", stop_after=events)
    assert not stopped.complete
    assert "lenet-mnist" in stopped._repr_html_()
    resumed = nf.resume(tmp_path / "stopped")
    assert resumed.complete
    assert summary_of(resumed) == summary_of(whole)
    for name in ("checkpoint/state.safetensors", "images/3-cppn.1.png"):
        one, other = (tmp_path / which / name for which in ("whole", "stopped"))
        if name.endswith("png"):
            assert one.read_bytes() == other.read_bytes()
    arrays, same = (nf.RunFolder.open(tmp_path / which).load_checkpoint()[0] for which in ("whole", "stopped"))
    assert arrays.keys() == same.keys()
    for name in arrays:
        np.testing.assert_array_equal(arrays[name], same[name])


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result, _ = audited(None)
    result.write()
    assert result.complete
    assert not list(tmp_path.iterdir())
    assert f"{result.score.value:.0f}" in result._repr_html_()


def test_bad_input_is_one_sentence(tmp_path, capsys):
    for arguments, said in (
        (["--budget", "9"], "budget"),
        (["--seeds", "0"], "seeds"),
        (["--data", str(tmp_path / "none")], "no folder"),
        (["--before", "x"], "--after"),
        (["somewhere"], "--compare"),
        (["--compare", "one"], "two audits"),
        (["--fail-over", "101"], "--fail-over"),
        (["--model", "lenet-mnits"], "lenet-mnist"),
    ):
        assert cli(["audit", "--out", str(tmp_path / "out"), "--quiet", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("Error: ")
        assert said in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    result, _ = audited(tmp_path / "audit")
    arrays, metadata = result.folder.load_checkpoint()
    for name, value in (
        ("audit.passes", arrays["audit.passes"] + 1000),
        ("audit.confidence", arrays["audit.confidence"] * np.float32(np.nan)),
        ("audit.images", arrays["audit.images"][:, :, :, :5]),
        ("audit.top_classes", arrays["audit.top_classes"] + 10),
    ):
        result.folder.save_checkpoint({**arrays, name: value}, metadata)
        with pytest.raises(nf.RunError, match="audit"):
            nf.resume(tmp_path / "audit")
    for change in ({"names": "cppn"}, {"attacks": "7"}, {"attacks": "x"}):
        result.folder.save_checkpoint(arrays, {**metadata, **change})
        with pytest.raises(nf.RunError, match="checkpoint"):
            nf.resume(tmp_path / "audit")


def test_the_command_fails_where_the_score_is_over_the_limit(tmp_path, capsys):
    small = ["audit", "--budget", "12", "--seeds", "1", "--quiet"]
    assert cli([*small, "--out", str(tmp_path / "one"), "--json", "--fail-over", "100"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() >= CONTRACT
    assert json.loads((tmp_path / "one/audit.json").read_text()) == printed
    code = cli([*small, "--out", str(tmp_path / "two"), "--fail-over", "0", "--junit", str(tmp_path / "junit.xml")])
    assert code == 1
    assert "is over 0" in capsys.readouterr().err
    assert "<failure" in (tmp_path / "junit.xml").read_text()
    for name in ("audit.html", "badge.svg", "audit.png"):
        assert (tmp_path / "two" / name).stat().st_size > 100


def test_real_photographs_are_looked_at(tmp_path, digits):
    result = nf.audit("lenet-mnist", data=digits, budget=40, seeds=1, out=tmp_path / "audit")
    summary = result.summary()
    assert summary["feeding"]["images"] == min(MOST_IMAGES, 200)
    assert 0 <= summary["ece"] <= 1
    assert {"auroc", "fpr95", "name"} <= summary["detectors"][0].keys()
    assert set(result.photographs) == set(range(10))
    resumed = nf.resume(tmp_path / "audit")
    assert summary_of(resumed) == summary_of(result)


@pytest.fixture
def digits(tmp_path):
    (tmp_path / "digits").mkdir()
    write_digits(tmp_path / "digits", "t10k", 200)
    return tmp_path / "digits"
