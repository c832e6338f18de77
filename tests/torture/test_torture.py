"""The short form of every part of the torture; `make torture` does the long one."""

import importlib

import pytest
from run import PARTS


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_nothing_is_lost(name):
    part = importlib.import_module(name).PART
    outcome = part.torture(part.short)
    assert not outcome.failures, "\n".join(outcome.failures)
