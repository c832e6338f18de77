"""What the command line does when stdout or the disk fails, and when a model is no good guest."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neatfool.cli import run
from neatfool.errors import RunError
from neatfool.shared.files import replacing

EVOLVE = ["evolve", "--model", "tinynet:make", "--generations", "1", "--batch", "4", "--device", "cpu", "--out", "run"]


class Full(io.StringIO):
    """A file on a full disk."""

    def flush(self):
        raise OSError(28, "No space left on device")


class Gone(io.StringIO):
    """A pipe that nobody reads."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def closed():
    file = io.StringIO()
    file.close()
    return file


@pytest.mark.parametrize(
    ("stdout", "said"),
    [
        (Full(), "Error: The output cannot be written (No space left on device).\n"),
        (closed(), "Error: The output cannot be written (I/O operation on closed file).\n"),
        (Gone(), ""),
    ],
)
@pytest.mark.parametrize("arguments", [["models", "--json"], ["models"], ["--help"], ["--version"]])
def test_stdout_that_cannot_be_written(capsys, monkeypatch, stdout, said, arguments):
    monkeypatch.setattr(sys, "stdout", stdout)
    assert run(arguments) == 1
    assert capsys.readouterr().err == said


@pytest.mark.skipif(os.name == "nt", reason="a shell's redirections")
@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        (">/dev/full", 1, "Error: The output cannot be written (No space left on device).\n"),
        (">&-", 1, "Error: The output cannot be written (not writable).\n"),
        ("<&- >&- 2>&-", 1, ""),
        ("2>&-", 0, ""),
    ],
)
def test_nothing_more_is_said_when_the_interpreter_exits(where, code, said):
    if where == ">/dev/full" and not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    program = f'"{sys.executable}" -c "from neatfool.cli import main; main()" --version {where}'
    done = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, said)
    assert code or done.stdout.startswith("neatfool ")


@pytest.mark.parametrize("bad_manners", ["print('hello')", "sys.stdout.close()", "print('hello'); sys.stdout.close()"])
def test_what_a_model_prints_is_no_part_of_the_result(workplace, capfd, bad_manners):
    module = workplace / "tinynet.py"
    text = module.read_text()
    module.write_text("import sys\n" + text.replace("    return nf.", f"    {bad_manners}\n    return nf."))
    assert run([*EVOLVE, "--json", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["generations"] == 1
    assert err == ("hello\n" if "hello" in bad_manners else "")


@pytest.mark.parametrize("stderr", [Gone(), Full(), closed()])
def test_a_run_outlives_the_terminal(workplace, capsys, monkeypatch, stderr):
    monkeypatch.setattr(sys, "stderr", stderr)
    assert run([*EVOLVE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["generations"] == 1


def test_an_error_of_the_system_is_one_sentence(workplace, capsys, monkeypatch):
    def fail(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("neatfool.runs.RunFolder.open", fail)
    assert run(["inspect", "run"]) == 1
    assert capsys.readouterr().err == "Error: run: Permission denied.\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a folder that somebody is in")
def test_the_current_directory_is_gone(tmp_path, capsys, monkeypatch):
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    assert run(["models"]) == 1
    assert capsys.readouterr().err == "Error: The current directory: No such file or directory.\n"


def test_a_write_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RunError, match=r"cannot be written: no room\."), replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise OSError("no room")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("file", "old")]


def test_a_lock_leaves_the_pages_alone_that_somebody_draws(neatfool, workplace):
    neatfool(*EVOLVE, "--json")
    half, dead = workplace / "run" / ".report.html.tmp", workplace / "run" / "images" / ".0.png.tmp"
    half.write_text("half")
    dead.write_text("half")
    shutil.copy(workplace / "run" / "config.toml", workplace / "run" / ".metrics.jsonl.tmp")
    from neatfool.runs import RunFolder

    with RunFolder.open(workplace / "run").lock():
        assert half.exists()
        assert not dead.exists()
        assert not (workplace / "run" / ".metrics.jsonl.tmp").exists()
