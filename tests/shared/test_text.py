"""Numbers as people read them."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neatfool.shared.text import duration, percent

SHARES = st.one_of(
    st.floats(0, 1),
    st.floats(0, 1, width=32),
    st.floats(0.9, 1).map(lambda share: 1 - (1 - share) ** 4),
    st.floats(0, 0.1).map(lambda share: share**4),
)
THRESHOLDS = (0.5, 0.99, 0.999, 0.9999)


def stated(text: str) -> float:
    """What a text says, as a fraction: the least that holds."""
    return 0.0 if text.startswith("<") else float(text.removesuffix(" %")) / 100


@given(SHARES)
@example(math.nextafter(1, 0))
@example(math.nextafter(0, 1))
@example(math.nextafter(0.99, 0))
@example(float(np.float32(0.9999)))
def test_a_percentage_never_says_more_than_there_is_nor_nothing_of_something(share: float) -> None:
    text = percent(share)
    assert stated(text) <= share + 1e-15
    assert share - stated(text) < (1.001e-6 if share >= 0.99 else 1.001e-4)
    assert (text == "100 %") == (share == 1)
    assert (text == "0.00 %") == (share == 0)
    assert "100" not in text or share == 1
    for threshold in THRESHOLDS:
        assert (float(text.strip("< %")) >= 100 * threshold) <= (share >= threshold)


@given(SHARES, SHARES)
def test_the_surer_one_never_reads_less(one: float, other: float) -> None:
    lower, higher = sorted((one, other))
    assert stated(percent(lower)) <= stated(percent(higher))


@given(st.floats(0, 1, width=32))
def test_it_is_the_same_for_numbers_of_numpy(share: float) -> None:
    assert percent(np.float32(share)) == percent(np.float64(share)) == percent(share)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "0.00 %"),
        (-0.0, "0.00 %"),
        (1e-9, "< 0.01 %"),
        (0.0001, "0.01 %"),
        (0.29, "29.00 %"),
        (0.5, "50.00 %"),
        (0.98999, "98.99 %"),
        (0.99, "99.0000 %"),
        (0.99999999, "99.9999 %"),
        (1, "100 %"),
        (-1e-9, "-0.01 %"),
        (-0.25, "-25.00 %"),
        (float("nan"), "nan %"),
        (1e300, "1e+302 %"),
    ],
)
def test_known_percentages(fraction: float, text: str) -> None:
    assert percent(fraction) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (0.4, "1 s"), (42.4, "42 s"), (99.4, "99 s"), (100, "2 min"), (3_000, "50 min"), (5_930, "99 min"),
     (7_260, "2 h 1 min"), (172_000, "47 h 47 min"), (900_000, "10 days 10 h")],
)  # fmt: skip
def test_a_time_is_said_in_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text
