"""Clusters that are not there."""

import sys

import pytest

import neatfool as nf
from neatfool.cli import run


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        ("nonsense", "'nonsense' is no address of a Ray cluster; write HOST:PORT"),
        ("ray://127.0.0.1:10001", "is no address of a Ray cluster"),
        ("127.0.0.1:99999", "is no address of a Ray cluster"),
        ("127.0.0.1:1", "No Ray cluster answers at 127.0.0.1:1; start one with `ray start --head`"),
    ],
)
def test_no_such_cluster(workers, words, capsys, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs Ray: pip install 'neatfool[ray]'").shutdown()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert run(["evolve", "--workers", workers, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_no_cluster_on_this_machine(capsys, monkeypatch):
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'neatfool[ray]'")

    def init(**_):
        raise ConnectionError("Could not find any running Ray instance.")

    # Another test's cluster may well be there.
    monkeypatch.setattr(ray, "init", init)
    assert run(["evolve", "--workers", "auto", "--out", "never"]) == 2
    assert "No Ray cluster answers on this machine; start one with `ray start --head`" in capsys.readouterr().err


def test_without_ray_a_sentence_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(nf.ConfigError, match=r"pip install 'neatfool\[ray\]'"):
        nf.RayJudge("lenet-mnist", workers=2)
    assert run(["evolve", "--workers", "2", "--out", "never"]) == 2
    assert "Workers need Ray, which is not installed" in capsys.readouterr().err


def test_only_evolutions_have_workers(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["ascend", "--classes", "3", "--steps", "1", "--out", "run", "--quiet"]) == 0
    assert run(["resume", "run", "--workers", "2"]) == 2
    assert "was made by `neatfool ascend`, which has no workers" in capsys.readouterr().err
