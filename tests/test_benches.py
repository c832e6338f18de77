"""Benchmarks and examples are programs that start."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ascent", "gpu", "loop", "peers", "scaling"])
def test_a_benchmark_starts(name):
    done = subprocess.run(
        [sys.executable, ROOT / f"benches/{name}.py", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


@pytest.mark.slow
def test_an_example_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples/own_search.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/stripes/images/0.png").exists()
