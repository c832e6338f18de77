"""What a terminal shows: a bar, notes that stay, links; and what there is instead without one."""

import io
import time
from pathlib import Path

import pytest

from neatfool.cli import output
from neatfool.shared.progress import Progress, listener

LINK = "\x1b]8;"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Both streams as one terminal of 120 columns."""
    seen = io.StringIO()
    for name in ("stdout", "stderr"):
        console = output._Console(
            file=seen, force_terminal=True, width=120, highlight=False, markup=False, color_system="truecolor"
        )
        monkeypatch.setattr(output, name, console)
    return seen


def rounds(done: int, share: float, note: str = "") -> Progress:
    return Progress(task="retraining", unit="rounds", done=done, total=3, share=share, note=note)


def test_paths_are_links_where_the_terminal_knows_them(
    screen: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    output.print_places(Path("runs/a b"), {"report": "report.html"})
    assert f"{LINK}id=" in screen.getvalue()
    assert f"{tmp_path.as_uri()}/runs/a%20b/report.html" in screen.getvalue()
    assert "runs/a b/report.html" in screen.getvalue()


def test_paths_are_plain_elsewhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    seen = io.StringIO()
    monkeypatch.setattr(output, "stdout", output._Console(file=seen, width=40))
    long = Path("runs") / ("x" * 100)
    output.print_folder(long)
    output.print_places(long, {"report": "report.html"})
    assert seen.getvalue() == f"{long}\nreport       {long}/report.html\n"


def test_one_bar_goes_by_the_share_of_the_whole_and_says_the_time_left(screen: io.StringIO):
    with output.show_progress(quiet=False) as show:
        show(rounds(0, 0.0, note="It will take long."))
        time.sleep(0.2)
        show(rounds(1, 0.002))
        time.sleep(0.2)
    text = screen.getvalue()
    assert text.count("It will take long.") == 1
    assert "1 of 3 rounds" in text
    assert " 2 min left" in text or " 3 min left" in text or " 4 min left" in text


def test_without_a_terminal_a_line_says_the_same(monkeypatch: pytest.MonkeyPatch):
    seen = io.StringIO()
    monkeypatch.setattr(output, "stderr", output._Console(file=seen, width=20))
    with output.show_progress(quiet=False) as show:
        assert listener() is show
        show(rounds(0, 0.0, note="It will take long, as long as anything."))
        show(rounds(1, 0.4))  # too soon after the last
        show(rounds(3, 1.0))
    assert seen.getvalue().splitlines() == [
        "It will take long, as long as anything.",
        "retraining: 0 of 3 rounds  0 % of all",
        "retraining: 3 of 3 rounds  100 % of all",
    ]


def test_quiet_shows_nothing_not_even_downloads(screen: io.StringIO):
    with output.show_progress(quiet=True) as show:
        show(rounds(0, 0.0, note="It will take long."))
        tell = listener()
        assert tell is not None
        tell(rounds(1, 0.5))
    assert screen.getvalue() == ""


def test_a_job_of_another_kind_begins_a_new_estimate():
    pace = output._Pace()
    assert pace(Progress(task="downloading", unit="MB", done=0, total=10)) is None
    time.sleep(0.05)
    left = pace(Progress(task="downloading", unit="MB", done=5, total=10))
    assert left is not None
    assert 0.03 < left < 5
    assert pace(Progress(task="evolving", unit="generations", done=3, total=10)) is None
    assert pace(Progress(task="evolving", unit="generations", done=2, total=10)) is None
    assert pace(Progress(task="evolving", unit="generations", done=2)) is None
