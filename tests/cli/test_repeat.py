"""`neatfool repeat` as a user runs it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import neatfool as nf
from neatfool import _core
from neatfool.models import ModelConfig
from neatfool.search import build_config

SIDE = 64
LIGHT = """
import torch
import neatfool as nf

class Light(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(6.0))

    def forward(self, x):
        light = x.mean((1, 2, 3))
        return self.scale * torch.stack([torch.full_like(light, 0.5), light], 1)

def make():
    return nf.Classifier(Light(), input_size=64, channels=1, class_names=["dark", "<light>"], name="light:make")
"""
STRIPES = {
    "format": "neatfool-cppn",
    "version": 1,
    "outputs": 1,
    "nodes": [{"id": 4, "activation": "sine"}],
    "connections": [{"innovation": 0, "source": 0, "target": 4, "weight": 10.0, "enabled": True}],
}


@pytest.fixture
def striped(workplace: Path) -> Path:
    """A run whose elite of either class is |sin(10 x)| over [-1, 1]: six bright stripes."""
    (workplace / "light.py").write_text(LIGHT)
    model = ModelConfig(name="light:make", device="cpu").model_dump()
    run = nf.evolve(config=build_config({}, {"model": model, "generations": 0, "batch": 4}), out="run")
    stripes = _core.CppnGenomes.from_json([json.dumps(STRIPES)] * 2)
    run.archive.genomes.put(np.array([0, 1]), run.archive.genomes.relatives(stripes.arrays()), np.array([0, 1]))
    run.archive.ids[:] = [100, 101]
    run.search.evaluations = 102
    run.lineage.add([100, 101], [(-1, -1)] * 2, [-1] * 2, generation=0)
    run.save()
    return workplace / "run"


def test_repeat(neatfool, striped):
    result = neatfool("repeat", "run", "--json")
    assert result["run"] == "run"
    assert (result["elites"], result["repeating"], result["by_genome"], result["by_image"]) == (2, 2, 2, 0)
    bright = np.trunc(np.abs(np.sin(10 * np.linspace(-1, 1, SIDE))) * 255).mean() / 255
    sure = 1 / (1 + math.exp(6 * (0.5 - bright)))
    dark, light = result["classes"]
    assert [(one["class_name"], one["copies"]) for one in (dark, light)] == [("dark", 6), ("<light>", 6)]
    assert light["levels"] == [0, 1, 2, 3, 4, 5, 6]
    # The fewer stripes the less light, down to none.
    assert light["confidence"][0] == pytest.approx(1 / (1 + math.exp(3)), abs=1e-5)
    assert light["confidence"][-1] == pytest.approx(sure, abs=2e-3)
    assert (light["spearman"], dark["spearman"], result["rising"]) == (1, -1, 0.5)
    assert result["sure"]["repeating"] == 1
    assert result["sure"]["median_confidence"]["all"] == light["confidence"][-1]
    folder = striped.parent / result["out"]
    assert {path.name for path in folder.iterdir()} == {"repetition.json", "repetition.png", "repetition.html"}
    assert json.loads((folder / "repetition.json").read_text())["classes"] == result["classes"]
    again = neatfool("repeat", "run", "--out", "elsewhere", "--json")
    assert again == {**result, "out": "elsewhere"}


def test_repeat_for_people(neatfool, striped):
    code, out, _ = neatfool("repeat", "run", "--classes", "<light>", "--out", "one")
    assert code == 0
    assert "1 of 1 (1 in the genome" in out
    assert "rising with copies" in out and "100 %" in out
    assert neatfool("repeat", "run", "--classes", "<light>", "--out", "one", "--quiet") == (0, "one\n", "")


def test_what_cannot_be_repeated(neatfool, striped):
    for arguments in (
        ("repeat", "nowhere"),
        ("repeat", "run", "--classes", "crow"),
        ("repeat", "run", "--min-copies", "1"),
    ):
        code, out, err = neatfool(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert "Traceback" not in err
