"""The short form of every part of the torture; `make torture` does the long one."""

import subprocess
import sys
from pathlib import Path

import pytest
from run import PARTS


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_nothing_is_lost(name):
    # In a process of its own: most parts fork, which a process with threads of torch must not.
    program = [sys.executable, str(Path(__file__).with_name("run.py")), "--short", name]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
