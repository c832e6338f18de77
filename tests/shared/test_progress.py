"""Where a job is, and what its parts tell of the whole."""

import pytest

from neatfool.shared.progress import Progress, listener, listening, part


def now(done: int, total: int | None = 4, share: float | None = None) -> Progress:
    return Progress(task="counting", unit="sheep", done=done, total=total, share=share)


def test_how_much_is_done_is_the_share_if_there_is_one():
    assert now(1).fraction == 0.25
    assert now(1, share=0.9).fraction == 0.9
    assert now(1, None).fraction is None
    assert now(0, 0).fraction is None


def test_parts_of_parts_are_shares_of_the_whole():
    told: list[Progress] = []
    second_half = part(told.append, 0.5, 1)
    inner = part(second_half, 0, 0.5)
    second_half(now(0))
    inner(now(2))
    inner(now(4))
    second_half(now(3))
    second_half(now(7, None))
    assert [one.share for one in told] == pytest.approx([0.5, 0.625, 0.75, 0.875, 0.5])
    assert {(one.task, one.unit) for one in told} == {("counting", "sheep")}


def test_a_listener_is_there_for_as_long_as_it_listens():
    told: list[Progress] = []
    assert listener() is None
    with listening(told.append):
        tell = listener()
        assert tell is not None
        tell(now(1))
        with listening(lambda _: None):
            assert listener() is not tell
    assert listener() is None
    assert told == [now(1)]
