"""The same seed gives the same bytes; `tests/torture/matrix.py` tries more, and more often."""

import pytest
from matrix import KINDS, WAYS, Case, cases, differences, elsewhere, environments, one_torch_thread, reference


@pytest.fixture(scope="module", autouse=True)
def steady_torch():
    with one_torch_thread():
        yield


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_however_a_run_is_made(kind, way, tmp_path):
    case = Case(kind, 0)
    wanted = reference(case, tmp_path / "reference")
    for found in WAYS[way](case, tmp_path / "found"):
        assert not differences(case, way, wanted, found)


def test_in_whatever_environment(tmp_path):
    environment = environments(3)[-1]
    for case, found in zip(cases(1), elsewhere(1, environment, tmp_path), strict=True):
        assert not differences(case, str(environment), reference(case, tmp_path / case.kind), found)


def test_other_seeds_are_other_runs(tmp_path):
    for kind in KINDS:
        wanted, other = (reference(Case(kind, seed), tmp_path / f"{kind}{seed}") for seed in (0, 1))
        assert differences(Case(kind, 1), "another seed", wanted, other)
