"""What the shell offers when a key is pressed, and names that are nearly right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from neatfool.cli.completion import model_names
from neatfool.models import list_models
from neatfool.models.naming import PREFIXES


def offered(line: str) -> list[str]:
    """What bash would be told for a command line whose last word is not finished."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_NEATFOOL_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    code = "import sys; sys.argv[0] = 'neatfool'; from neatfool.cli import main\n"
    code += "try:\n main()\nfinally:\n assert 'torch' not in sys.modules and 'timm' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_names_of_models_are_offered_without_torch() -> None:
    assert offered("neatfool evolve --model squee") == ["squeezenet1_0", "squeezenet1_1"]
    assert offered("neatfool transfer run --to squee") == ["squeezenet1_0", "squeezenet1_1"]
    assert offered("neatfool reproduce imagenet -m hf") == ["hf:"]


def test_commands_and_choices_are_offered() -> None:
    assert offered("neatfool evo") == ["evolve"]
    assert offered("neatfool evolve --preset paper-i") == ["paper-imagenet", "paper-imagenet-direct"]


def test_the_names_are_those_there_are() -> None:
    assert model_names("") == [*(f"{prefix}:" for prefix in PREFIXES), *(model.name for model in list_models())]


def test_the_names_of_timm_are_those_there_are() -> None:
    timm = pytest.importorskip("timm", reason="needs timm")
    assert model_names("timm:") == [f"timm:{name}" for name in sorted(timm.list_models())]
    assert model_names("timm:resnet10") == ["timm:resnet101", *model_names("timm:resnet101_"), *(
        f"timm:resnet{end}" for end in ("101c", "101d", "101s", "10t")
    )]  # fmt: skip


def test_without_timm_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent)])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    assert model_names("timm:res") == []


def test_the_shell_can_be_taught(neatfool) -> None:
    assert "--install-completion" in neatfool("--help")[1]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["evolv"], "evolve"),
        (["evolve", "--modle", "x"], "--model"),
        (["evolve", "--model", "lenet-mnst"], "lenet-mnist"),
        (["evolve", "--preset", "paper-minst"], "paper-mnist"),
        (["evolve", "--encoding", "cpn"], "did you mean cppn"),
        (["evolve", "--strategy", "map-elite"], "did you mean map-elites"),
        (["evolve", "--model", "squeezenet1_0", "--weights", "none", "--classes", "goldfihs"], "goldfish"),
    ],
)
def test_names_that_are_nearly_right_get_a_hint(arguments, hint, neatfool) -> None:
    code, _, err = neatfool(*arguments)
    assert code == 2 and hint in err
