import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neatfool.experiments.audit.score import curve, ease, fooling_score

BUDGET = 500
passes = arrays(np.int64, st.tuples(*[st.integers(1, 4)] * 3), elements=st.integers(0, BUDGET))


def test_never_is_0_at_once_is_100_and_halfway_is_so_on_a_logarithmic_scale():
    np.testing.assert_allclose(ease(np.array([0, 1, 10, 100, 1000]), 100), [0, 1, 0.5, 0, 0])
    assert fooling_score(np.zeros((3, 2, 10), np.int64), 100) == (0, 0, 0)
    assert fooling_score(np.ones((3, 2, 10), np.int64), 100) == (100, 100, 100)
    assert fooling_score(np.full((1, 1, 1), 10), 100).value == pytest.approx(50)


@given(passes)
def test_the_score_is_the_area_under_the_curves(passes):
    """The area, integrated numerically over the logarithm of the passes."""
    grid = np.linspace(0, np.log(BUDGET), 20_001)
    middles = np.exp((grid[1:] + grid[:-1]) / 2)
    areas = []
    for attack in passes:
        steps, shares = curve(attack)
        reached = np.concatenate([[0.0], shares])[np.searchsorted(steps, middles, side="right")]
        areas.append(reached.mean())
    assert fooling_score(passes, BUDGET).value == pytest.approx(100 * np.mean(areas), abs=0.05)


@given(passes)
def test_the_interval_holds_the_score_and_repeats(passes):
    score = fooling_score(passes, BUDGET)
    assert 0 <= score.low <= score.value + 1e-9
    assert score.value - 1e-9 <= score.high <= 100
    assert fooling_score(passes, BUDGET) == score


@given(passes, st.randoms())
def test_who_falls_sooner_scores_higher(passes, random):
    place = tuple(random.randrange(side) for side in passes.shape)
    sooner = passes.copy()
    sooner[place] = 1
    assert fooling_score(sooner, BUDGET).value >= fooling_score(passes, BUDGET).value


def test_the_interval_covers_what_other_audits_of_the_same_classifier_come_to():
    """Classes that fall with known chances: about 95 of 100 intervals hold the mean over all."""
    random = np.random.default_rng(0)
    truth = 100 * (0.5 * ease(np.array([10]), BUDGET) + 0.2 * ease(np.array([100]), BUDGET)).item()
    held = 0
    for _ in range(50):
        fallen = random.choice([10, 100, 0], p=[0.5, 0.2, 0.3], size=(1, 3, 10))
        score = fooling_score(fallen, BUDGET)
        held += score.low <= truth <= score.high
    assert held >= 42


def test_a_curve_rises_where_classes_fall():
    steps, shares = curve(np.array([[0, 7], [7, 3]]))
    assert steps.tolist() == [3, 7]
    assert shares.tolist() == [0.25, 0.75]
