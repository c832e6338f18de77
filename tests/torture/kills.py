"""Runs killed at random moments and resumed end as runs that nobody disturbed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from outcome import Outcome, Part

import neatfool.search  # noqa: F401 - before the first fork, for every child
from neatfool.cli import run
from neatfool.runs import RunFolder

COMMANDS = {
    "evolve map-elites": ["evolve", "--model", "lenet-mnist", "--generations", "30", "--batch", "50"],
    "evolve neat": ["evolve", "--model", "lenet-mnist", "--strategy", "neat", "--classes", "0-2", "--generations", "4"],
    "evolve direct": [
        "evolve",
        "--model",
        "lenet-mnist",
        "--encoding",
        "direct",
        "--generations",
        "30",
        "--batch",
        "50",
    ],
    "ascend": ["ascend", "--model", "lenet-mnist", "--all", "--steps", "30", "--batch", "3", "--all-steps"],
}
MOST_KILLS_OF_A_RUN = 3


def torture(amount: int) -> Outcome:
    """Kills `amount` processes; the seeds are 0, 1, 2... of each command in turn."""
    kills = dict.fromkeys(COMMANDS, 0)
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        wanted, spent = {}, {}
        for name, command in COMMANDS.items():
            begin = time.perf_counter()
            whole = Path(place, name.replace(" ", "-"))
            if _child([*command, "--out", str(whole), "--quiet"]) != 0:
                return Outcome("nothing", [f"{name} fails even where nobody disturbs it"])
            spent[name] = time.perf_counter() - begin
            wanted[name] = _content(whole)
        seed = 0
        while sum(kills.values()) < amount and seed < 10 * amount:
            name = list(COMMANDS)[seed % len(COMMANDS)]
            folder = Path(place, f"run-{seed}")
            killed, failure = _one(COMMANDS[name], folder, spent[name], random.Random(seed), wanted[name])
            kills[name] += killed
            if failure:
                failures.append(f"{name}, seed {seed}: {failure}")
            seed += 1
    return Outcome(
        f"{sum(kills.values())} kills of {len(COMMANDS)} commands",
        failures,
        {name: f"{count} kills" for name, count in kills.items()},
    )


def _one(
    command: list[str], folder: Path, seconds: float, chance: random.Random, wanted: dict[str, str]
) -> tuple[int, str]:
    """Begins a run, kills it some times, lets it end; returns the kills and what is wrong, if anything."""
    killed = 0
    for _ in range(chance.randint(1, MOST_KILLS_OF_A_RUN)):
        code = _child(_next(command, folder), chance.uniform(0, seconds), chance.choice([None, *range(1, 25)]))
        if code not in (0, -signal.SIGKILL):
            return killed, f"exit code {code} after {killed} kills"
        killed += code == -signal.SIGKILL
    for arguments in (_next(command, folder), ["resume", str(folder), "--json"]):
        if (code := _child(arguments)) != 0:
            return killed, f"`{' '.join(arguments)}` has exit code {code} after {killed} kills"
    found = _content(folder)
    differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return killed, f"{', '.join(differing)} differ after {killed} kills" if differing else ""


def _next(command: list[str], folder: Path) -> list[str]:
    if RunFolder.exists(folder):
        return ["resume", str(folder), "--quiet"]
    return [*command, "--out", str(folder), "--quiet"]


def _child(arguments: list[str], after: float | None = None, write: int | None = None) -> int:
    """Runs a command line in a fork, killed after some seconds or at its n-th rename; returns its exit code."""
    process = os.fork()
    if process == 0:
        code = 70
        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            torch.set_num_threads(1)
            if write is not None:
                _die_at(write, random.Random(write).random() < 0.5)
            code = run(arguments)
        os._exit(code)
    if after is not None and write is None:
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _die_at(write: int, before: bool) -> None:
    """Makes this process kill itself just before or after its n-th rename."""
    replace: Callable[..., Path] = Path.replace
    count = 0

    def replaced(path: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == write and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = replace(path, target)
        if count == write:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Path.replace = replaced  # type: ignore[method-assign]


def _content(folder: Path) -> dict[str, str]:
    """Digests of what must not differ: checkpoint, pictures, settings and metrics, without times; names of all else."""
    content = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name in (".lock", ".holder"):
            continue
        if path.suffix == ".png" or name == "config.toml":
            content[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content[name] = ""
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in RunFolder.open(folder).metrics()]
    arrays, metadata = RunFolder.open(folder).load_checkpoint()
    metadata = {key: value for key, value in metadata.items() if key != "seconds"}
    content["metrics"] = json.dumps(rows)
    content["arrays"] = json.dumps({key: hashlib.sha256(arrays[key].tobytes()).hexdigest() for key in sorted(arrays)})
    content["metadata"] = json.dumps(metadata, sort_keys=True)
    return content


PART = Part(title="SIGKILL and resume", torture=torture, short=8, long=520)
