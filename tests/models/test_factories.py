"""Factories with arguments and in files: what is taken, what is refused, and that nothing stands in for a package."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neatfool as nf
from neatfool.cli import run
from neatfool.errors import ModelError
from neatfool.models import ModelConfig, load_classifier
from neatfool.models.naming import PREFIXES, Source, find_source, resolve_name, runs_code

FILE = """
from __future__ import annotations
import dataclasses
import neatfool as nf
from torch import nn
from parts import Net

@dataclasses.dataclass
class Options:
    classes: int = 3

def make(num_classes=3, *, scale=1.0, names=None):
    return nf.Classifier(Net(num_classes), input_size=4, device="cpu", scale=scale, class_names=names, name="mine")

def needs(argument):
    raise AssertionError

number = 4
"""
PARTS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(48, classes)
    def forward(self, x): return self.fc(x.flatten(1))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with `models/net.py`, which imports the file beside it."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/net.py").write_text(FILE)
    (tmp_path / "models/parts.py").write_text(PARTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "parts", raising=False)
    return tmp_path


def refused(model: str, message: str, **options: Any) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_classifier(model, device="cpu", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "classes", "scale"),
    [
        ("make", 3, 1.0),
        ("make()", 3, 1.0),
        ("make(5)", 5, 1.0),
        ("make(num_classes=5, scale=0.5)", 5, 0.5),
        ("make(4, names=['a', 'b:c', 'd(', ')'], scale=-2.0)", 4, -2.0),
        ("make(\n 2,\n)", 2, 1.0),
    ],
)
def test_a_file_and_its_arguments(call: str, classes: int, scale: float, folder: Path) -> None:
    path = list(sys.path)
    for home in ("./models/net.py", "models/net.py", str(folder / "models/net.py")):
        classifier = load_classifier(f"{home}:{call}", device="cpu")
        assert (classifier.n_classes, classifier.scale) == (classes, scale)
        assert classifier.source == f"{folder / 'models/net.py'}:{call}"
    assert sys.path == path and "net" not in sys.modules


def test_a_module_takes_arguments_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "models")
    assert load_classifier("net:make(num_classes=6)", device="cpu").n_classes == 6
    monkeypatch.delitem(sys.modules, "net")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("make(__import__('os'))", "arguments of .* cannot be read .*literals alone"),
        ("make(num_classes=1 + number)", "literals alone"),
        ("make(*[1])", "literals alone"),
        ("make(**{'num_classes': 1})", r"\*\* is not taken"),
        ("make(", "There is no kind of model"),
        ("make(1)(2)", "literals alone"),
        ("make((((", "There is no kind of model"),
        ("make(" + "[" * 2000 + ")", "literals alone"),
        ("make(num_clases=3)", "TypeError.*num_clases.*mend the function or its arguments"),
        ("needs", "TypeError.*argument"),
        ("mak", "has no function mak; close names are make"),
        ("number", "has no function number"),
        ("zzz", "check the part of .* after the colon"),
        ("", "names one of your own"),
    ],
)
def test_what_is_wrong_with_a_call_is_one_sentence(call: str, message: str, folder: Path) -> None:
    refused(f"models/net.py:{call}", message)


def test_nothing_of_a_call_is_evaluated(folder: Path) -> None:
    refused("models/net.py:make(open('made', 'w'))", "literals alone")
    assert not Path("made").exists()


def test_files_that_cannot_be_run_are_one_sentence(folder: Path) -> None:
    refused("models/absent.py:make", "There is no file models/absent.py")
    refused("models/net.py", r"name the function .* as in models/net.py:make")
    for text, message in (("raise SystemExit('bye')", "SystemExit"), ("def", "SyntaxError"), ("1/0", "ZeroDivision")):
        Path("bad.py").write_text(text)
        refused("bad.py:make", f"Running bad.py for the model .* failed .*{message}")
        assert not [name for name in sys.modules if name.endswith("_bad")]


def test_a_file_stands_in_for_no_package(folder: Path) -> None:
    for name in ("torch", "json", "filelock"):
        Path(f"models/{name}.py").write_text("raise SystemExit('shadowed')")
    assert load_classifier("./models/net.py:make", device="cpu").n_classes == 3
    Path("torch.py").write_text(FILE.replace("from parts import Net", PARTS))
    assert load_classifier("./torch.py:make", device="cpu").n_classes == 3
    assert sys.modules["torch"].__name__ == "torch" and hasattr(sys.modules["torch"], "Tensor")


def test_the_file_is_read_anew(folder: Path) -> None:
    load_classifier("./models/net.py:make", device="cpu")
    Path("models/net.py").write_text(FILE.replace("num_classes=3", "num_classes=7"))
    assert load_classifier("./models/net.py:make", device="cpu").n_classes == 7


def test_a_run_remembers_the_whole_name(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    name = "./models/net.py:make(num_classes=4, scale=0.5)"
    options = ["--generations", "1", "--batch", "4", "--quiet"]
    assert run(["evolve", "--model", name, *options, "--out", "own"]) == 0
    assert str(folder / "models/net.py:make(num_classes=4, scale=0.5)") in Path("own/config.toml").read_text()
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert run(["resume", "../own", "--generations", "2", "--quiet"]) == 0
    Path("../own").rename("moved")
    capsys.readouterr()
    assert run(["resume", "moved", "--generations", "3", "--quiet"]) == 2
    assert "net.py:make(num_classes=4, scale=0.5)" in (words := capsys.readouterr().err) and "--trust" in words
    assert run(["resume", "moved", "--generations", "3", "--quiet", "--trust"]) == 0
    assert nf.RunFolder.open("moved").manifest.model == "mine"


def test_what_a_classifier_was_loaded_by_is_remembered_from_python(folder: Path) -> None:
    classifier = load_classifier("./models/net.py:make(4)", device="cpu")
    assert ModelConfig.of(classifier).name == f"{folder / 'models/net.py'}:make(4)"
    run_of_it = nf.evolve(classifier, generations=1, batch=4, out="run")
    assert nf.resume("run", generations=2).generation == run_of_it.generation + 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("lenet-mnist", False),
        ("alexnet", False),
        ("no such model", False),
        ("package.module:factory", True),
        ("package.module:factory('a', scale=2.0)", True),
        ("./file.py:factory", True),
        ("C:\\models\\file.py:factory(1)", True),
        ("unknown:model/x", True),
        ("a b:c", True),
        ("network.onnx", False),
        ("network.XML", False),
        ("network.pt2", True),
        ("network.pt", True),
        ("network.ts", True),
        ("network.torchscript", True),
        ("strange:network.onnx", False),
        ("torch:load('x.onnx')", True),
    ],
)
def test_which_names_are_code(name: str, code: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs_code(name) == code
    assert runs_code(resolve_name(name)) == code


def test_prefixes_are_no_factories(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("neatfool.models.builtin", "load_builtin")
    monkeypatch.setitem(PREFIXES, "hub", source)
    for name in ("hub:lenet", "hub:org/lenet.onnx", "hub:lenet.pt"):
        assert find_source(name) == (source, name.removeprefix("hub:"))
        assert not runs_code(name) and resolve_name(name) == name
    assert load_classifier("hub:lenet-mnist", device="cpu").source == "hub:lenet-mnist"
    refused("huub:lenet", "no kind of model huub: .* did you mean hub:")
    refused("Hub:lenet.a1_in1k", "did you mean hub:")
    refused("xyz:lenet/a", "what a name can begin with: .*hub")


def test_a_factory_in_a_file_judges_as_its_weights_say(folder: Path) -> None:
    by_file = load_classifier("models/net.py:make(5)", device="cpu")
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 4, 4), dtype=np.uint8)
    weight, bias = (value.double().numpy() for value in by_file.module.state_dict().values())
    logits = images.reshape(3, -1) @ weight.T + bias
    expected = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(by_file.confidences(images), expected / expected.sum(1, keepdims=True), atol=1e-5)
