"""Files, pipes, signals and clocks that fail a command: one sentence, an exit code, and a run that resumes to the same."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from outcome import Outcome, Part

import neatfool.search
from neatfool.cli import run
from neatfool.runs import RunFolder

GENERATIONS = 3
FULL = "Error: The output cannot be written (No space left on device).\n"
NOBODY = 65534
OWN_MODEL = """
import sys, torch, neatfool as nf

class Loud(torch.nn.Module):
    def forward(self, x):
        {forward}
        return x.flatten(1)[:, :4]

def make():
    {make}
    return nf.Classifier(Loud(), input_size=8, class_names=["a", "b", "c", "d"], name="loud:make")
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class LeftOutError(Exception):
    """This machine cannot do a case; says why."""


class Place:
    """A folder of one round with a run that nobody disturbed, and what all cases need."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.seed = path, seed
        self.chance = random.Random(seed)
        self.whole = path / "whole"
        path.chmod(0o755)  # for who may read only
        ended = child([*self.evolve(self.whole), "--json"])
        assert ended.code == 0, ended.err
        self.wanted = content(self.whole)

    def evolve(self, folder: Path) -> list[str]:
        """A command line that makes a run; the same one in every folder."""
        sizes = ["--generations", str(GENERATIONS), "--batch", "20", "--seed", str(self.seed), "--quiet"]
        return ["evolve", "--model", "lenet-mnist", *sizes, "--out", str(folder)]

    def same(self, folder: Path) -> str:
        """Resumes a run; what is wrong if it then differs from the one that nobody disturbed."""
        ended = child(["resume", str(folder), "--quiet"])
        if ended.code != 0:
            return f"cannot be resumed: {ended}"
        return "" if content(folder) == self.wanted else "resumed to other arrays or metrics"

    def disturbed(
        self, folder: Path, action: Callable[[], object], codes: tuple[int, ...], *, resumes: bool = True
    ) -> str:
        """Does something in the middle of a run; what is wrong afterwards."""
        ended = child(self.evolve(folder), partial(in_generation, self.chance.randint(1, GENERATIONS), action))
        return told(ended, codes) or (self.same(folder) if resumes else "")


def torture(amount: int) -> Outcome:
    """Does all cases `amount` times; the seeds of the rounds are 0, 1, 2..."""
    failures: list[str] = []
    left_out: set[str] = set()
    tried = 0
    for seed in range(amount):
        with tempfile.TemporaryDirectory() as base:
            place = Place(Path(base), seed)
            for case in CASES:
                try:
                    failure = case(place, Path(base, case.__name__))
                except LeftOutError as error:
                    left_out.add(f"{case.__name__} ({error})")
                    continue
                tried += 1
                if failure:
                    failures.append(f"{case.__name__}, seed {seed}: {failure}")
    facts = {"left out": ", ".join(sorted(left_out))} if left_out else {}
    return Outcome(f"{tried} faults of {len(CASES)} kinds", failures, facts)


def full_output(place: Place, folder: Path) -> str:
    ended = program([*place.evolve(folder), "--json"], ">/dev/full")
    inspected = child(["inspect", str(place.whole), "--json"], lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), 1))
    return told(ended, (1,), FULL) or told(inspected, (1,), FULL) or place.same(folder)


def closed_output(place: Place, folder: Path) -> str:
    said = "Error: The output cannot be written (not writable).\n"
    ended = child([*place.evolve(folder), "--json"], lambda: sys.stdout.close())
    return (
        told(ended, (1,))
        or told(program(["--version"], ">&-"), (1,), said)
        or told(program(["--help"], "<&- >&- 2>&-"), (1,), "")
        or place.same(folder)
    )


def gone_reader(place: Place, folder: Path) -> str:
    ended = program(["inspect", str(place.whole)], "", stdout=broken_pipe())
    return told(ended, (1,), "")


def gone_terminal(place: Place, folder: Path) -> str:
    def hang_up() -> None:
        os.dup2(broken_pipe(), 2)
        signal.raise_signal(signal.SIGHUP)

    ended = child(place.evolve(folder)[:-3] + place.evolve(folder)[-2:], partial(in_generation, 2, hang_up))
    return told(ended, (130,)) or place.same(folder)


def closed_errors(place: Place, folder: Path) -> str:
    ended = program(["inspect", str(place.whole), "--json"], "2>&-")
    wrong = program(["inspekt"], "2>&-")
    return told(ended, (0,), "") or one_object(ended) or told(wrong, (2,), "")


def loud_model(place: Place, folder: Path) -> str:
    return _own_model(folder, "print('hello'); sys.stdout.write('world')", "print('hello')")


def model_that_closes_stdout(place: Place, folder: Path) -> str:
    return _own_model(folder, "sys.stdout.close()", "pass")


def _own_model(folder: Path, make: str, forward: str) -> str:
    folder.mkdir()
    (folder / "loud.py").write_text(OWN_MODEL.format(make=make, forward=forward))

    def enter() -> None:
        os.chdir(folder)
        sys.path.insert(0, str(folder))

    sizes = ["--generations", "1", "--batch", "4", "--device", "cpu", "--quiet", "--json", "--out", "run"]
    ended = child(["evolve", "--model", "loud:make", *sizes], enter)
    return one_object(ended) if ended.code == 0 else str(ended)


def file_size_limit(place: Place, folder: Path) -> str:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    limit = place.chance.choice([1000, 2000, 4096])  # more than a sentence, which is written to a file here
    return place.disturbed(folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard)), (1, 2))


def full_disk(place: Place, folder: Path) -> str:
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=False).returncode
    ):
        raise LeftOutError("no tmpfs can be mounted")
    try:
        ballast = folder / "ballast"
        spare = place.chance.randrange(0, 16384, 4096)
        failure = place.disturbed(folder / "run", lambda: _fill(ballast, spare), (1, 2), resumes=False)
        ballast.unlink(missing_ok=True)
        return failure or place.same(folder / "run")
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def _fill(ballast: Path, spare: int) -> None:
    """Leaves so many bytes of a disk."""
    with ballast.open("wb") as file:
        size = os.statvfs(ballast.parent)
        file.write(bytes(max(0, size.f_bavail * size.f_bsize - spare)))


def signals(place: Place, folder: Path) -> str:
    folder.mkdir()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        failure = place.disturbed(folder / number.name, partial(signal.raise_signal, number), (130,))
        if failure:
            return f"{number.name}: {failure}"
    return ""


def two_writers(place: Place, folder: Path) -> str:
    second = place.path / "second.json"

    def write_too() -> None:
        ended = child(["resume", str(folder), "--quiet"])
        second.write_text(told(ended, (2,)) or "refused")

    failure = place.disturbed(folder, write_too, (0,))
    return failure or second.read_text().removeprefix("refused")


def removed_folder(place: Place, folder: Path) -> str:
    failure = place.disturbed(folder, lambda: shutil.rmtree(folder), (1, 2), resumes=False)
    shutil.rmtree(folder, ignore_errors=True)
    again = child(place.evolve(folder))
    return failure or told(again, (0,)) or place.same(folder)


def file_for_a_folder(place: Place, folder: Path) -> str:
    child(place.evolve(folder), partial(in_generation, 1, partial(signal.raise_signal, signal.SIGTERM)))
    for name in ("checkpoint", "images"):
        (folder / name).rename(folder / "aside")
        (folder / name).write_text("")
        failure = told(child(["resume", str(folder), "--quiet"]), (2,))
        (folder / name).unlink()
        (folder / "aside").rename(folder / name)
        if failure:
            return f"{name}: {failure}"
    return place.same(folder)


def read_only_folder(place: Place, folder: Path) -> str:
    if os.geteuid() != 0:
        raise LeftOutError("needs root")
    if not all(_open_to_all(module) for module in (torch, neatfool)):
        raise LeftOutError("needs packages that every user may read")
    child(place.evolve(folder), partial(in_generation, 1, partial(signal.raise_signal, signal.SIGTERM)))
    resumed = child(["resume", str(folder), "--quiet"], lambda: os.setuid(NOBODY))
    begun = child(place.evolve(place.path / "not-there"), lambda: os.setuid(NOBODY))
    return told(resumed, (2,)) or told(begun, (2,)) or place.same(folder)


def _open_to_all(module: ModuleType) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(str(module.__file__)).parents)


def clock_set_back(place: Place, folder: Path) -> str:
    child(place.evolve(folder), partial(in_generation, 2, partial(signal.raise_signal, signal.SIGTERM)))
    future = time.time() + place.chance.randint(1, 10**8)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (future, future))

    def set_back() -> None:
        time.time = lambda: 0.0

    return told(child(["resume", str(folder), "--quiet"], set_back), (0,)) or place.same(folder)


def current_directory_gone(place: Place, folder: Path) -> str:
    folder.mkdir()

    def leave() -> None:
        os.chdir(folder)
        folder.rmdir()

    ended = child(["inspect", str(place.whole), "--json"], leave)
    return told(ended, (1,), "Error: The current directory: No such file or directory.\n")


def poor_environment(place: Place, folder: Path) -> str:
    arguments = [one for one in place.evolve(folder) if one != "--quiet"]
    ended = program(arguments, "", before="unset HOME; export LC_ALL=C PYTHONIOENCODING=ascii; ")
    if ended.code != 0 or "Traceback" in ended.err or not ended.out.isascii():
        return str(ended)
    return place.same(folder)


def child(arguments: list[str], prepare: Callable[[], object] = lambda: None) -> Ended:
    """Runs a command line in a fork, after some preparation there."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = os.fork()
        if process == 0:
            code = 70
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, closefd=False)
                torch.set_num_threads(1)
                signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the torture may run under nohup
                prepare()
                code = run(arguments)
            except BaseException as error:
                os.write(2, f"Traceback: {error!r}\n".encode())
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        out.seek(0)
        err.seek(0)
        return Ended(code, out.read(), err.read())


def program(arguments: list[str], redirections: str, *, before: str = "", stdout: int = subprocess.PIPE) -> Ended:
    """Runs a command line as a program of its own, by a shell."""
    command = f'{before}exec "$@" {redirections}'
    python = [sys.executable, "-c", "from neatfool.cli import main; main()", *arguments]
    done = subprocess.run(
        ["sh", "-c", command, "sh", *python],
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # as in the forks: with more, torch may differ in last bits
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if stdout != subprocess.PIPE:
        os.close(stdout)
    return Ended(done.returncode, done.stdout or "", done.stderr)


def broken_pipe() -> int:
    """Where to write of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


def in_generation(number: int, action: Callable[[], object]) -> None:
    """Makes this process do something at the end of a generation, before its metrics are written."""
    append = RunFolder.append_metrics
    count = 0

    def acting(folder: RunFolder, row: dict[str, object]) -> None:
        nonlocal count
        count += 1
        if count == number:
            action()
        append(folder, row)

    RunFolder.append_metrics = acting  # type: ignore[method-assign]


def told(ended: Ended, codes: tuple[int, ...], wanted: str | None = None) -> str:
    """What is wrong with how a command ended: its exit code, or anything but one sentence."""
    lines = ended.err.splitlines()
    sentences = [line for line in lines if line.startswith("Error: ")]
    strange = "Traceback" in ended.err or "Exception ignored" in ended.err or len(sentences) > 1
    silent = wanted is None and ended.code in (1, 2) and not sentences
    if ended.code not in codes or strange or silent or (wanted is not None and ended.err != wanted):
        return f"exit code {ended.code}, not {' or '.join(map(str, codes))}, or other words than wanted: {ended.err!r}"
    return ""


def one_object(ended: Ended) -> str:
    """What is wrong with a result that should be one JSON object."""
    try:
        return "" if isinstance(json.loads(ended.out), dict) else f"stdout is no object: {ended.out!r}"
    except ValueError as error:
        return f"stdout is not JSON ({error}): {ended.out!r}"


def content(folder: Path) -> dict[str, object]:
    """The arrays of the checkpoint and the metrics without times."""
    opened = RunFolder.open(folder)
    arrays, _ = opened.load_checkpoint()
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in opened.metrics()]
    return {"metrics": rows, **{name: (str(array.dtype), array.tobytes()) for name, array in arrays.items()}}


CASES: tuple[Callable[[Place, Path], str], ...] = (
    full_output,
    closed_output,
    gone_reader,
    gone_terminal,
    closed_errors,
    loud_model,
    model_that_closes_stdout,
    file_size_limit,
    full_disk,
    signals,
    two_writers,
    removed_folder,
    file_for_a_folder,
    read_only_folder,
    clock_set_back,
    current_directory_gone,
    poor_environment,
)

PART = Part(title="Failing files, pipes, signals and clocks", torture=torture, short=1, long=3)
