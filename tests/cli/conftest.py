"""A user's own small classifier, in a module in the current directory."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neatfool.cli import run

NETWORK = """
import torch
import neatfool as nf

class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.first = torch.nn.Parameter(torch.randn(3 * 64, 32, generator=g) / 4)
        self.second = torch.nn.Parameter(torch.randn(32, 4, generator=g))

    def forward(self, x):
        return torch.relu(x.flatten(1) @ self.first) @ self.second

def make():
    return nf.Classifier(Tiny(), input_size=8, class_names=["red <fox>", "fish", "goldfish", "owl"], name="tinynet:make")
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory with `tinynet.py` in it."""
    (tmp_path / "tinynet.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "tinynet", raising=False)
    return tmp_path


@pytest.fixture
def neatfool(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command line; returns what it printed with --json, else its (exit code, stdout, stderr)."""

    def call(*arguments: str) -> Any:
        code = run(list(arguments))
        out, err = capsys.readouterr()
        if "--json" in arguments:
            assert code == 0, err
            return json.loads(out)
        return code, out, err

    return call
