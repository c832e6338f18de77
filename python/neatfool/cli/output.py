"""What the user sees: progress on stderr, results on stdout."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.style import Style
from rich.table import Table
from rich.text import Text

from neatfool.shared.files import to_json
from neatfool.shared.progress import OnProgress, Progress, listening, silent
from neatfool.shared.text import duration, percent, printable

if TYPE_CHECKING:
    from neatfool.runs import Tally


class _Console(Console):
    """Names of classes and models come from files: they may look like markup, or hold what a terminal obeys."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


stderr = _Console(stderr=True, highlight=False, markup=False, emoji=False)
stdout = _Console(highlight=False, markup=False, emoji=False)

_PLAIN_SECONDS = 5.0
_LONGEST_ERROR = 1000


class OutputError(Exception):
    """Stdout cannot be written; the cause is the OSError or ValueError that says why."""


class _Stderr:
    """Stderr, where what nobody can read, as after a terminal was closed, ends nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._own_failures():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._own_failures():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _own_failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            # What is still buffered would fail once more when the interpreter exits.
            with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
            self._failed(error)

    def _failed(self, error: OSError | ValueError) -> None:
        pass


class _Stdout(_Stderr):
    """Stdout, whose failures are told from those of other files."""

    def _failed(self, error: OSError | ValueError) -> None:
        raise OutputError(getattr(error, "strerror", None) or error) from error


@contextmanager
def checked_output() -> Iterator[None]:
    """Whatever cannot be written to stdout, at the latest when this ends, raises OutputError; stderr never fails."""
    out, err = cast(TextIO, _Stdout(sys.stdout)), cast(TextIO, _Stderr(sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            yield
        except BaseException:
            with suppress(OutputError):
                sys.stdout.flush()
            raise
        sys.stdout.flush()


@contextmanager
def only_results() -> Iterator[None]:
    """Keeps stdout for `print_json` and `stdout`. What others print, a user's model say, goes to stderr."""
    stdout.file = sys.stdout
    # A copy, because a model may close it.
    with os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as others, redirect_stdout(others):
        yield


def print_json(result: Mapping[str, Any]) -> None:
    """Prints one JSON object on stdout, strict JSON: what is no number would end here, with a ValueError."""
    stdout.file.write(to_json(result) + "\n")


def print_error(message: str) -> None:
    """Prints one sentence on stderr. What it repeats of a file may be long, and hold what a terminal obeys."""
    sentence = printable(" ".join(message.split()))
    if len(sentence) > _LONGEST_ERROR:
        half = _LONGEST_ERROR // 2
        sentence = f"{sentence[:half]} ... {sentence[-half:]}"
    # Where nobody can be told, the exit code still tells.
    with suppress(OSError, ValueError):
        print(f"Error: {sentence}", file=sys.stderr)


def print_table(rows: Mapping[str, str], *, title: str) -> None:
    """Prints names and values on stdout."""
    table = Table(title=title, show_header=False, title_justify="left", title_style="bold")
    table.add_column(style="dim")
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, value)
    stdout.print(table)


def verdict(tally: Tally, sure: int) -> str:
    """What became of the classes of a run, in one line; where nothing tells, how many images have 99 % or more."""
    return "  ·  ".join(tally.words()) or f"{sure:,} of {tally.classes:,} images at 99 % or more"


RUN_PAGES = {"pictures": "images", "all at once": "gallery.png", "report": "report.html"}
"""What `write_run_pages` leaves in a run folder."""


def print_places(folder: Path, places: Mapping[str, str] = RUN_PAGES) -> None:
    """Says where the results in a folder are: what they are, and their paths in it."""
    for what, where in places.items():
        stdout.print(f"{what:<12}", _linked(folder / where), soft_wrap=True)


def print_folder(folder: Path) -> None:
    """Prints the path of a folder and nothing else, as --quiet does."""
    stdout.print(_linked(folder), soft_wrap=True)


def print_how_to_resume(folder: Path) -> None:
    """Says on stderr how what was interrupted goes on."""
    stderr.print(f"Continue with neatfool resume {quote(str(folder))}", soft_wrap=True)


def _linked(path: Path) -> Text:
    """A path that is a link where the terminal knows links."""
    return Text(printable(str(path)), style=Style(link=path.absolute().as_uri()))


class _Plain:
    """A line of progress where there is no terminal: at first, at the end, and every few seconds."""

    def __init__(self) -> None:
        self._last = -_PLAIN_SECONDS
        self._pace = _Pace()

    def __call__(self, now: Progress) -> None:
        left = self._pace(now)
        if now.note:
            stderr.print(now.note, soft_wrap=True)
        if now.done != now.total and time.monotonic() - self._last < _PLAIN_SECONDS:
            return
        self._last = time.monotonic()
        whole = "" if now.share is None else f"  {int(100 * now.share)} % of all"
        rest = f"  {duration(left)} left" if left else ""
        stderr.print(f"{now.task}: {_count(now)}{_facts(now.metrics)}{whole}{rest}", soft_wrap=True)


class _Pace:
    """Estimates the seconds left from the pace since the first event of the same kind."""

    def __init__(self) -> None:
        self._kind = ""
        self._first = (0.0, 0.0)

    def __call__(self, now: Progress) -> float | None:
        done, kind = now.fraction, now.unit if now.share is None else "share"
        if done is None:
            return None
        if kind != self._kind or done < self._first[0]:
            self._kind, self._first = kind, (done, time.monotonic())
        before, begun = self._first
        return (time.monotonic() - begun) / (done - before) * (1 - done) if done > before else None


class _TimeLeft(ProgressColumn):
    """The time left, which goes on between two events."""

    def render(self, task: Task) -> Text:
        end = task.fields["end"]
        return Text("" if end is None else f"{duration(max(0.0, end - time.monotonic()))} left")


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[OnProgress]:
    """Shows where a job is: a bar with the time left on a terminal, else a plain line every few seconds.

    Args:
        quiet: show nothing.

    Yields:
        What to call with each event.
    """
    if quiet:
        with listening(silent):
            yield silent
    elif stderr.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[count]}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[facts]}", markup=False),
            _TimeLeft(),
        )
        with Bar(*columns, console=stderr, transient=True) as bar:
            task = bar.add_task("", total=None, count="", facts="", end=None)
            pace = _Pace()

            def update(now: Progress) -> None:
                left, done = pace(now), now.fraction
                if now.note:
                    stderr.print(now.note, soft_wrap=True)
                bar.update(
                    task,
                    description=now.task,
                    completed=done or 0,
                    total=None if done is None else 1,
                    count=_count(now),
                    facts=_facts(now.metrics).strip(),
                    end=None if left is None else time.monotonic() + left,
                )

            with listening(update):
                yield update
    else:
        plain = _Plain()
        with listening(plain):
            yield plain


def _count(now: Progress) -> str:
    total = "" if now.total is None else f" of {now.total:,}"
    return f"{now.done:,}{total} {now.unit}"


def _facts(metrics: Mapping[str, Any]) -> str:
    """The numbers people watch, as far as there are any."""
    facts = ""
    if metrics.get("seconds") and "evaluations" in metrics and "round" not in metrics:
        facts += f"  {metrics['evaluations'] / metrics['seconds']:,.0f} evaluations/s"
    if "judged_twice" in metrics:
        facts += f"  {percent(metrics['judged_twice'] / metrics['evaluations'])} judged twice"
    if "median_confidence" in metrics:
        facts += f"  median {percent(metrics['median_confidence'])}"
    if "classes_over_99" in metrics:
        facts += f"  {metrics['classes_over_99']:,} classes at 99 %"
    return facts
