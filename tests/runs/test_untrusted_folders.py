"""What a stranger wrote into a run folder is refused in one sentence."""

import json
import shutil
from pathlib import Path

import pytest

import neatfool as nf
from neatfool.cli import run
from neatfool.search import EvolveConfig
from neatfool.shared.settings import check_settings

FOLDER = Path(__file__).parent / "schema_2/cppn"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "run")
    return tmp_path / "run"


def rewrite(folder: Path, **values) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | values))


def test_a_size_that_the_preprocessing_contradicts_is_not_drawn(folder):
    rewrite(folder, image_shape=[1, 8192, 8192])
    with pytest.raises(nf.RunError, match="image_size"):
        nf.RunFolder.open(folder)


def test_settings_that_are_no_table():
    with pytest.raises(nf.ConfigError, match="table"):
        check_settings(EvolveConfig, False)


def test_an_error_is_one_short_line_that_a_terminal_does_not_obey(folder, capsys):
    (folder / "config.toml").write_text(f'"\\u001b[31m{"x" * 500_000}" = 1')
    assert run(["inspect", str(folder)]) == 2
    line = capsys.readouterr().err
    assert line.startswith("Error: ") and line.count("\n") == 1 and len(line) < 1100
    assert "\x1b" not in line


def test_names_do_not_reach_the_terminal_as_they_are(folder, capsys):
    rewrite(folder, class_names=["\x1b[31mred", "[/]", "\u202eback", *"3456789"])
    assert run(["inspect", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\u202e" not in out and "[/]" in out
