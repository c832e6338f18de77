"""What the user sees: progress on stderr, results on stdout."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from neatfool.shared.text import percent

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)

_PLAIN_SECONDS = 5.0


def print_json(result: Mapping[str, Any]) -> None:
    """Prints one JSON object on stdout."""
    sys.stdout.write(json.dumps(result) + "\n")


def print_table(rows: Mapping[str, str], *, title: str) -> None:
    """Prints names and values on stdout."""
    table = Table(title=title, show_header=False, title_justify="left", title_style="bold")
    table.add_column(style="dim")
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, value)
    stdout.print(table)


RUN_PAGES = {"pictures": "images", "all at once": "gallery.png", "report": "report.html"}
"""What `write_run_pages` leaves in a run folder."""


def print_places(folder: Path, places: Mapping[str, str] = RUN_PAGES) -> None:
    """Says where the results in a folder are: what they are, and their paths in it."""
    for what, where in places.items():
        stdout.print(f"{what:<12} {folder / where}", soft_wrap=True)


class _Pace:
    """Says when a plain line of progress is due: at first, then every few seconds."""

    def __init__(self) -> None:
        self._last = -_PLAIN_SECONDS

    def due(self, *, now: bool) -> bool:
        """Whether to print; always where `now`."""
        if not now and time.monotonic() - self._last < _PLAIN_SECONDS:
            return False
        self._last = time.monotonic()
        return True


@contextmanager
def generation_progress(total: int, *, done: int, quiet: bool) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Shows a run's generations: a bar on a terminal, else a plain line every few seconds.

    Args:
        total: generations in all.
        done: generations that were complete before.
        quiet: show nothing.

    Yields:
        What to call with the metrics of each generation.
    """
    if quiet:
        yield lambda metrics: None
    elif stderr.is_terminal:
        with _bar() as progress:
            task = progress.add_task("", total=total, completed=done, rate="", median="", over=0)
            rate = _Rate()

            def update(metrics: Mapping[str, float]) -> None:
                progress.update(
                    task,
                    completed=metrics["generation"],
                    rate=f"{rate(metrics):,.0f}",
                    median=percent(metrics["median_confidence"]),
                    over=metrics["classes_over_99"],
                )

            yield update
    else:
        rate = _Rate()
        pace = _Pace()

        def say(metrics: Mapping[str, float]) -> None:
            if pace.due(now=metrics["generation"] in (done, total)):
                left = rate.seconds_left(metrics, total)
                stderr.print(
                    f"generation {metrics['generation']}/{total}  {rate(metrics):,.0f} evaluations/s  "
                    f"median {percent(metrics['median_confidence'])}  "
                    f"{metrics['classes_over_99']} classes over 99 %  {left:.0f} s left",
                    soft_wrap=True,
                )

        yield say


def _bar() -> Progress:
    return Progress(
        TextColumn("generation"),
        MofNCompleteColumn(),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[rate]} evaluations/s · median {task.fields[median]} · {task.fields[over]} over 99 %"),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
    )


class _Rate:
    """Evaluations per second since the first metrics seen."""

    def __init__(self) -> None:
        self._first: Mapping[str, float] | None = None

    def __call__(self, metrics: Mapping[str, float]) -> float:
        if self._first is None:
            self._first = dict(metrics)
        seconds = metrics["seconds"] - self._first["seconds"]
        if seconds <= 0:
            return metrics["evaluations"] / metrics["seconds"] if metrics["seconds"] else 0.0
        return (metrics["evaluations"] - self._first["evaluations"]) / seconds

    def seconds_left(self, metrics: Mapping[str, float], total: int) -> float:
        if self._first is None or metrics["generation"] <= self._first["generation"]:
            return 0.0 if metrics["generation"] >= total else metrics["seconds"] * (total - metrics["generation"])
        done = metrics["generation"] - self._first["generation"]
        return (metrics["seconds"] - self._first["seconds"]) / done * (total - metrics["generation"])


@contextmanager
def ascent_progress(*, quiet: bool) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Shows how many images of an ascent are finished: a bar on a terminal, else a plain line every few seconds.

    Args:
        quiet: show nothing.

    Yields:
        What to call with the metrics of each step.
    """
    if quiet:
        yield lambda metrics: None
    elif stderr.is_terminal:
        text = TextColumn("step {task.fields[step]} · mean {task.fields[mean]} · {task.fields[over]} over 99 %")
        columns = (TextColumn("images"), MofNCompleteColumn(), BarColumn(bar_width=None), text)
        with Progress(*columns, console=stderr, transient=True) as progress:
            task = progress.add_task("", total=None, step=0, mean="", over=0)
            yield lambda metrics: progress.update(
                task,
                total=metrics["classes"],
                completed=metrics["finished"],
                step=metrics["generation"],
                mean=percent(metrics["mean_confidence"]),
                over=metrics["classes_over_99"],
            )
    else:
        pace = _Pace()

        def say(metrics: Mapping[str, float]) -> None:
            if pace.due(now=metrics["finished"] == metrics["classes"]):
                stderr.print(
                    f"step {metrics['generation']}  {metrics['finished']} of {metrics['classes']} images finished  "
                    f"mean {percent(metrics['mean_confidence'])}  {metrics['classes_over_99']} classes over 99 %  "
                    f"{metrics['seconds']:.0f} s",
                    soft_wrap=True,
                )

        yield say


@contextmanager
def count_progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Shows how many of something are done: a bar on a terminal, else a plain line every few seconds.

    Args:
        quiet: show nothing.

    Yields:
        What to call with what is counted, the number done and the number in all.
    """
    if quiet:
        yield lambda text, done, total: None
    elif stderr.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn())
        with Progress(*columns, console=stderr, transient=True) as progress:
            task = progress.add_task("", total=None)

            def update(text: str, done: int, total: int) -> None:
                progress.update(task, description=text, completed=done, total=total)

            yield update
    else:
        pace = _Pace()

        def say(text: str, done: int, total: int) -> None:
            if pace.due(now=done == total):
                stderr.print(f"{text}: {done:,} of {total:,}", soft_wrap=True)

        yield say
