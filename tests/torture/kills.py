"""Runs killed wherever something is written and resumed end as runs that nobody disturbed."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import torch
from outcome import Outcome, Part
from safetensors import safe_open

import neatfool.experiments.ascent
import neatfool.experiments.hypothesis
import neatfool.experiments.reproduction
import neatfool.experiments.retraining
import neatfool.report
import neatfool.search  # noqa: F401 - before the first fork, for every child
from neatfool.cli import run
from neatfool.runs import RunFolder, job, manifest

sys.path.append(str(Path(__file__).parents[1] / "experiments"))
from digits import write_digits

_LENET = ["--model", "lenet-mnist", "--quiet"]
_DIRECT = ["--encoding", "direct", "--generations", "30", "--batch", "50"]
_RETRAIN = ["--images-per-class", "3", "--generations", "2", "--batch", "20", "--epochs", "1", "--rounds", "2"]
SEARCHES = {
    "evolve map-elites": ["evolve", *_LENET, "--generations", "30", "--batch", "50"],
    "evolve neat": ["evolve", *_LENET, "--strategy", "neat", "--classes", "0-2", "--generations", "4"],
    "evolve direct": ["evolve", *_LENET, *_DIRECT],
    "ascend": ["ascend", *_LENET, "--all", "--steps", "30", "--batch", "3", "--all-steps"],
}
EXPERIMENTS = {
    "retrain": ["retrain", *_LENET, *_RETRAIN, "--data", "DIGITS"],
    "hypothesis": ["hypothesis", "--quiet", "--generations", "2", "--batch", "20", "--data", "DIGITS"],
    "reproduce": ["reproduce", "mnist", "--quiet", "--scale", "smoke", "--rows", "1,2", "--data", "DIGITS"],
}
WORKERS = 2
FIRST = 8
"""The moment at which a run folder is about to be whole, but nothing is in it yet."""
_GOLDEN = (5**0.5 - 1) / 2
_TIMES = {"seconds", "evaluations_per_second", "profile", "classify_share", "created"}


class _Clock(datetime):
    """All runs were begun at the same time, which their pages show."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _Clock:
        return cls(2026, 1, 1, tzinfo=tz)


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed: its files and summary, the moments it can be killed at, and its seconds."""

    content: dict[str, str]
    moments: dict[bool, int]
    seconds: float


def torture(amount: int) -> Outcome:
    """Kills at least `amount` processes, as many of each command, evenly from a run's first write to its last.

    A run is named by its command and number, which say at which moments it is killed. Every other run writes a checkpoint
    after every step. A moment is just before or after a rename or a sync; every fourth kill goes by the clock instead, and
    every fourth run is first killed while it has a folder and hardly a checkpoint.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        (place / "digits").mkdir()
        write_digits(place / "digits", "train", 60)
        write_digits(place / "digits", "t10k", 20)
        commands = {
            name: [argument.replace("DIGITS", str(place / "digits")) for argument in command]
            for name, command in (SEARCHES if amount <= PART.short else SEARCHES | EXPERIMENTS).items()
        }
        wholes = {name: _whole(command, place / name.replace(" ", "-")) for name, command in commands.items()}
        most = -(-amount // (len(commands) * WORKERS))
        reports = [place / f"worker-{worker}.json" for worker in range(WORKERS)]
        workers = []
        for worker, report in enumerate(reports):
            workers.append(os.fork())
            if not workers[-1]:
                code = 70
                try:
                    report.write_text(json.dumps(_work(worker, commands, wholes, most, place)))
                    code = 0
                finally:
                    os._exit(code)
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in workers]
        failures = [f"worker {worker} has exit code {code}" for worker, code in enumerate(codes) if code]
        kills = dict.fromkeys(commands, 0)
        for report in reports:
            if report.exists():
                counts, failed = json.loads(report.read_text())
                kills = {name: kills[name] + counts[name] for name in kills}
                failures += failed
    return Outcome(
        f"{sum(kills.values())} kills of {len(kills)} commands",
        failures,
        {name: f"{count} kills" for name, count in kills.items()},
    )


def _work(
    worker: int, commands: dict[str, list[str]], wholes: dict[str, Whole], most: int, place: Path
) -> tuple[dict[str, int], list[str]]:
    """One worker's share: every second run of each command, until `most` kills of each."""
    kills, failures = dict.fromkeys(commands, 0), []
    for turn in range(4 * most):
        for name, command in commands.items():
            if kills[name] >= most:
                continue
            number = WORKERS * turn + worker
            folder = place / f"{name.replace(' ', '-')}-{number}" / "run"
            killed, failure = _disturbed(command, folder, turn, number, wholes[name])
            kills[name] += killed
            if failure:
                failures.append(f"{name}, run {number}: {failure}")
    return kills, failures


def _whole(command: list[str], folder: Path) -> Whole:
    moments = {}
    for often in (True, False):  # the last one's folder is what the others are compared with
        out = folder.with_name(f"{folder.name}-{often}") / "run"
        out.parent.mkdir()
        begin = time.perf_counter()
        printed, counted = out.with_suffix(".json"), out.with_suffix(".moments")
        if code := _child([*command, "--json", "--out", str(out)], often=often, printed=printed, counted=counted):
            raise RuntimeError(f"`{' '.join(command)}` has exit code {code} even where nobody disturbs it")
        moments[often] = int(counted.read_text())
    return Whole(_content(out, printed), moments, time.perf_counter() - begin)


def _disturbed(command: list[str], folder: Path, turn: int, number: int, whole: Whole) -> tuple[int, str]:
    """Begins a run, kills it one to three times, lets it end; returns the kills and what is wrong, if anything."""
    often, killed = turn % 2 == 1, 0
    left = whole.moments[often]
    folder.parent.mkdir()
    for kill in range(1 + turn % 3):
        share = (3 * number + kill) * _GOLDEN % 1
        if (3 * turn + kill) % 4 == 3:
            code = _child(_next(command, folder), often=often, after=share * whole.seconds)
        else:
            early = kill == 0 and turn % 4 == 2
            moment = FIRST + WORKERS * (turn // 4) + number % WORKERS if early else int(share * left)
            code = _child(_next(command, folder), often=often, moment=moment)
            left = max(4, left - moment)
        if code not in (0, -signal.SIGKILL):
            return killed, f"exit code {code} after {killed} kills"
        killed += code == -signal.SIGKILL
    printed = folder.with_suffix(".json")
    if code := _child([*_next(command, folder), "--json"], often=often, printed=printed):
        return killed, f"exit code {code} of the last resume, after {killed} kills"
    found = _content(folder, printed)
    differing = sorted(
        name for name in whole.content.keys() | found.keys() if whole.content.get(name) != found.get(name)
    )
    return killed, f"{', '.join(differing)} differ after {killed} kills" if differing else ""


def _next(command: list[str], folder: Path) -> list[str]:
    if RunFolder.exists(folder):
        return ["resume", str(folder), "--quiet"]
    return [*command, "--out", str(folder)]


def _child(
    arguments: list[str],
    *,
    often: bool,
    moment: int | None = None,
    after: float | None = None,
    printed: Path = Path(os.devnull),
    counted: Path | None = None,
) -> int:
    """Runs a command line in a fork, killed at its n-th moment or after some seconds; returns its exit code.

    Args:
        arguments: the command line.
        often: whether it writes a checkpoint after every step.
        moment: at which it is killed.
        after: seconds after which it is killed.
        printed: gets what it prints.
        counted: gets the number of its moments.
    """
    process = os.fork()
    if process == 0:
        code = 70
        with contextlib.suppress(BaseException):
            os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            torch.set_num_threads(1)
            if often:
                job.CHECKPOINT_SECONDS = 0
            manifest.datetime = _Clock  # type: ignore[misc, attr-defined]
            moments = _die_at(moment)
            code = run(arguments)
            sys.stdout.flush()
            if counted:
                counted.write_text(str(next(moments)))
        os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _die_at(moment: int | None) -> itertools.count[int]:
    """Makes this process kill itself at a moment: just before or after one of its renames and syncs. Counts them."""
    moments = itertools.count()

    def pass_moment() -> None:
        if next(moments) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def between_moments(do: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any) -> Any:
            pass_moment()
            result = do(*arguments)
            pass_moment()
            return result

        return done

    Path.replace = between_moments(Path.replace)  # type: ignore[method-assign]
    os.fsync = between_moments(os.fsync)
    return moments


def _content(folder: Path, printed: Path) -> dict[str, str]:
    """Digests of every file and of what was printed, without times and without the folder's own name."""
    content = {"what --json prints": json.dumps(_timeless(json.loads(_nameless(folder, printed.read_bytes()))))}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name in (".lock", ".holder"):
            continue
        data = path.read_bytes()
        if path.suffix not in (".html", ".png"):
            data = _nameless(folder, data)
        if path.name == "metrics.jsonl":
            data = json.dumps([_timeless(json.loads(line)) for line in data.splitlines()]).encode()
        elif path.name == "manifest.json":
            data = json.dumps(_timeless(json.loads(data))).encode()
        elif path.suffix == ".safetensors":
            data = _tensors(path)
        elif path.name == "reproduction.md":  # the column of seconds is the last but one
            data = re.sub(rb"[^|]+\|([^|]*\|)$", rb"\1", data, flags=re.MULTILINE)
        content[path.relative_to(folder).as_posix()] = hashlib.sha256(data).hexdigest()
    return content


def _nameless(folder: Path, data: bytes) -> bytes:
    return data.replace(str(folder).encode(), b"RUN")


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key not in _TIMES}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _tensors(path: Path) -> bytes:
    """Arrays and metadata, in order; the rows of a reproduction are JSON in its metadata and have seconds too."""
    with safe_open(path, "numpy") as file:
        arrays = {key: hashlib.sha256(file.get_tensor(key).tobytes()).hexdigest() for key in sorted(file.keys())}
        metadata = _timeless(file.metadata())
    if "rows" in metadata:
        metadata["rows"] = _timeless(json.loads(metadata["rows"]))
    return json.dumps([arrays, metadata], sort_keys=True).encode()


PART = Part(title="SIGKILL and resume", torture=torture, short=8, long=520)
