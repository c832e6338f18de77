"""A stranger's folder or file runs no code before the user says so."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import neatfool as nf
from neatfool.cli import run

MODULE = """
import pathlib
import torch
import neatfool as nf

pathlib.Path("imported").touch()


def make():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 3))
    return nf.Classifier(module, input_size=8, name="vouched:make")
"""
EVOLVE = ["evolve", "--generations", "1", "--batch", "4", "--quiet"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "vouched.py").write_text(MODULE)
    yield tmp_path
    sys.modules.pop("vouched", None)


def forget() -> None:
    sys.modules.pop("vouched", None)
    Path("imported").unlink(missing_ok=True)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    forget()
    assert run(arguments) == 2
    words = capsys.readouterr().err
    assert "vouched:make" in words and "--trust" in words
    assert not Path("imported").exists()


def test_a_run_made_here_resumes_and_a_copy_asks(place, capsys):
    assert run([*EVOLVE, "--model", "vouched:make", "--out", "own"]) == 0
    forget()
    assert run(["resume", "own", "--quiet", "--generations", "2"]) == 0
    shutil.copytree("own", "copy")
    for arguments in (["resume", "copy"], ["repeat", "copy"], ["diversity", "copy", "own", "--no-map"]):
        refused(arguments, capsys)
    forget()
    assert run(["resume", "copy", "--quiet", "--trust", "--generations", "3"]) == 0
    assert Path("imported").exists()


def test_a_run_that_names_other_code_than_it_did_asks(place, capsys):
    assert run([*EVOLVE, "--model", "lenet-mnist", "--out", "plain"]) == 0
    assert run([*EVOLVE, "--model", "vouched:make", "--out", "own"]) == 0
    for name in ("plain", "own"):
        config = Path(name, "config.toml")
        config.write_text(config.read_text().replace("lenet-mnist", "vouched:make").replace(":make", ":make "))
        refused(["resume", name], capsys)


def test_another_user_has_another_key(place, monkeypatch, capsys):
    assert run([*EVOLVE, "--model", "vouched:make", "--out", "own"]) == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "other"))
    refused(["resume", "own"], capsys)
    assert run([*EVOLVE, "--model", "vouched:make", "--out", "second"]) == 0
    refused(["resume", "own"], capsys)


def test_without_a_home_that_can_be_written_a_run_asks(place, monkeypatch, capsys):
    (place / "state").write_text("in the way")
    assert run([*EVOLVE, "--model", "vouched:make", "--out", "own"]) == 0
    refused(["resume", "own"], capsys)


def test_transfer_says_why_there_is_no_agreement(place, capsys, caplog):
    assert run([*EVOLVE, "--model", "vouched:make", "--out", "own"]) == 0
    shutil.copytree("own", "copy")
    forget()
    nf.transfer("copy", nf.Classifier(_small(), input_size=8, class_names=["0", "1", "2"]))
    assert "--trust" in caplog.text and not Path("imported").exists()


def test_a_config_file_asks_unless_the_model_is_named_beside_it(place, capsys):
    assert run([*EVOLVE, "--model", "vouched:make", "--out", "own"]) == 0
    assert run([*EVOLVE, "--config", "own/config.toml", "--out", "again"]) == 0
    shutil.copy("own/config.toml", "config.toml")
    refused([*EVOLVE, "--config", "config.toml", "--out", "second"], capsys)
    for number, option in enumerate((["--trust"], ["--model", "vouched:make"])):
        assert run([*EVOLVE, "--config", "config.toml", "--out", f"new-{number}", *option]) == 0


def test_a_file_beside_the_run_stands_in_for_no_package(place, capsys):
    (place / "filelock.py").write_text("raise SystemExit('shadowed')")
    assert run([*EVOLVE, "--model", "filelock:make", "--out", "own"]) == 2
    assert "filelock has no function make" in capsys.readouterr().err


def _small():
    import torch

    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 3))
