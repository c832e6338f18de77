"""Damaged run folders: every command that reads them ends with a result or with one sentence.

`python tests/torture/folders.py MUTANT...` repeats single mutants and shows what they print.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import multiprocessing
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mutations import MARK, copy_folder, mutate, remove
from outcome import Outcome, Part
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "experiments"))
from digits import write_digits

WORKERS = 2
COMMANDS_EACH = 5
SECONDS = 10.0
MOST_MEMORY = 2**31
MOST_SHOWN = 200
LONGEST_LINE = 2000

NETWORK = """
import torch
import neatfool as nf

def make():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    return nf.Classifier(network, input_size=8, channels=1, class_names=["a", "b", "c", "d"], name="tinynet:make")
"""
_MODEL = ("--model", "tinynet:make", "--device", "cpu")
_EVOLVE = ("evolve", *_MODEL, "--batch", "12", "--generations", "3")
BASES: dict[str, tuple[str, ...]] = {
    "cppn": _EVOLVE,
    "other": (*_EVOLVE, "--seed", "1"),
    "neat": (*_EVOLVE, "--strategy", "neat"),
    "ahead": (*_EVOLVE, "--ahead", "1"),
    "direct": (*_EVOLVE, "--encoding", "direct", "--classes", "1,3"),
    "ascend": ("ascend", *_MODEL, "--classes", "0-2", "--steps", "4"),
    "retrain": (
        "retrain", "--data", "data", "--rounds", "1", *_MODEL, "--images-per-class", "2", "--generations", "2", "--batch", "8",
        "--epochs", "1",
    ),
    "audit": ("audit", *_MODEL, "--data", "data", "--budget", "10", "--seeds", "2"),
    "hypothesis": ("hypothesis", "--generations", "2", "--batch", "8", "--data", "digits"),
    "reproduce": ("reproduce", "mnist", "--scale", "smoke", "--rows", "1", "--data", "digits"),
}  # fmt: skip
READERS: tuple[tuple[str, ...], ...] = (
    ("inspect", "run", "--json"),
    ("inspect", "run"),
    ("inspect", "run", "--class", "1", "--json"),
    ("inspect", "run", "--class", "1"),
    ("render", "run", "--class", "1", "--size", "20", "--out", "out/one.png", "--json"),
    ("report", "run", "--json"),
    ("report", "run", "--out", "out"),
    ("report", "run", "bases/other", "--out", "out", "--json"),
    ("transfer", "--trust", "run", "--to", "tinynet:make", "--device", "cpu", "--out", "out", "--json"),
    ("transfer", "--trust", "run", "--to", "tinynet:make", "--device", "cpu", "--out", "out", "--quiet"),
    ("export", "run", "--as", "npz", "--min-confidence", "0", "--out", "out/x", "--json"),
    ("export", "run", "--as", "hf", "--min-confidence", "0", "--out", "out/x", "--json"),
    ("repeat", "--trust", "run", "--json", "--out", "out"),
    ("diversity", "--trust", "run", "bases/other", "--no-map", "--device", "cpu", "--out", "out", "--json"),
    ("audit", "--compare", "run", "bases/audit", "--out", "out", "--json"),
    ("audit", "--before", "bases/audit", "--after", "run", "--out", "out", "--json"),
    ("resume", "--trust", "run", "--json"),
    ("resume", "--trust", "run", "--generations", "5", "--json"),
)
EVOLVED = ("cppn", "other", "neat", "direct")
OF_ANY = ("report", "transfer", "resume", "export", "audit")
"""Commands that read folders of every kind; the others refuse what `evolve` did not make."""


def torture(amount: int) -> Outcome:
    """Mutates run folders and does `amount` commands on them."""
    mutants = -(-amount // COMMANDS_EACH)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _prepare(place)
        results = list(_all_results(place, range(mutants)))
    failures = [failure for one in results for failure in one["failures"]]
    kinds = Counter(one["code"] for one in results)
    slowest = max(results, key=lambda one: one["seconds"])
    largest = max(results, key=lambda one: one["memory"])
    return Outcome(
        tried=f"{len(results):,} commands on {mutants:,} damaged run folders",
        failures=failures[:MOST_SHOWN] + [f"and {len(failures) - MOST_SHOWN} more"] * (len(failures) > MOST_SHOWN),
        facts={
            "refused with one sentence": f"{kinds[2]:,}",
            "longest command": f"{slowest['seconds']:.1f} s",
            "most memory": f"{largest['memory'] / 2**20:,.0f} MiB",
        },
    )


def _prepare(place: Path) -> None:
    """The undamaged folders. They are made in a process of their own, because threads do not outlive a fork."""
    import matplotlib.pyplot  # noqa: F401 (the workers are forked with everything imported)
    import torch
    import typer.main

    import neatfool.cli
    import neatfool.experiments.jobs
    import neatfool.report

    torch.set_num_threads(1)
    # Made once: to make the command line takes longer than most commands.
    neatfool.cli.app = typer.main.get_command(neatfool.cli.app)  # type: ignore[assignment]
    os.environ["XDG_STATE_HOME"] = str(place / "state")
    gc.freeze()  # a collection of all that is imported would take longer than most commands
    maker = multiprocessing.get_context("fork").Process(target=_make_bases, args=(place,))
    maker.start()
    maker.join()
    if maker.exitcode:
        raise RuntimeError("the undamaged folders cannot be made")


def _make_bases(place: Path) -> None:
    draw = np.random.default_rng(0)
    for label in "abcd":
        (place / "data" / label).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(draw.integers(0, 256, (8, 8), dtype=np.uint8)).save(
                place / "data" / label / f"{number}.png"
            )
    (place / "digits").mkdir()
    write_digits(place / "digits", "train", 60)
    write_digits(place / "digits", "t10k", 20)
    (place / "tinynet.py").write_text(NETWORK)
    os.chdir(place)
    for name, arguments in BASES.items():
        code, out, err = _call((*arguments, "--out", f"bases/{name}", "--quiet"))
        if code:
            raise RuntimeError(f"{name}: {out}{err}")


def _call(arguments: tuple[str, ...]) -> tuple[int, str, str]:
    from neatfool.cli import run

    # As a terminal's, they refuse what is not text.
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments))
    return code, *(stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]


def _all_results(place: Path, mutants: range) -> Iterator[dict[str, Any]]:
    """Shares the mutants out to workers; one that hangs or dies is replaced and goes on with the next mutant."""
    fork = multiprocessing.get_context("fork")
    waiting = [list(mutants[start::WORKERS]) for start in range(WORKERS)]
    running: dict[int, tuple[Any, Any]] = {}
    doing: dict[int, tuple[int, str, float]] = {}
    for worker, own in enumerate(waiting):
        if own:
            running[worker] = _start(fork, place, worker, own)
            doing[worker] = (own[0], "start", time.monotonic())
    while running:
        pipes = {pipe: worker for worker, (_, pipe) in running.items()}
        ready, _, _ = select.select(list(pipes), [], [], 1.0)
        over = set()
        for pipe in ready:
            worker = pipes[pipe]
            try:
                kind, value = pipe.recv()
            except EOFError:
                over.add(worker)
                continue
            if kind == "begin":
                doing[worker] = (*value, time.monotonic())
            else:
                yield value
        for worker, (process, pipe) in list(running.items()):
            mutant, command, since = doing[worker]
            late = time.monotonic() - since > SECONDS + 5
            if worker not in over and not late:
                continue
            if late:
                os.kill(process.pid, signal.SIGKILL)
            process.join()
            pipe.close()
            del running[worker]
            if process.exitcode:
                said = f"hangs for more than {SECONDS + 5:.0f} s" if late else f"dies with {process.exitcode}"
                yield _result(
                    mutant, command, [f"{_how(mutant)}: `{command}` {said}"], seconds=time.monotonic() - since
                )
                left = [one for one in waiting[worker] if one > mutant]
                if left:
                    running[worker] = _start(fork, place, worker, left)
                    doing[worker] = (left[0], "start", time.monotonic())


def _result(
    mutant: int, command: str, failures: list[str], *, code: int = -1, seconds: float = 0, memory: int = 0
) -> dict[str, Any]:
    return {
        "mutant": mutant, "command": command, "failures": failures, "code": code, "seconds": seconds, "memory": memory,
    }  # fmt: skip


def _start(fork: Any, place: Path, worker: int, mutants: list[int]) -> tuple[Any, Any]:
    receive, send = fork.Pipe(duplex=False)
    process = fork.Process(target=_work, args=(place, worker, mutants, send))
    process.start()
    send.close()
    return process, receive


def _work(place: Path, worker: int, mutants: list[int], pipe: Any) -> None:
    home = place / f"worker-{worker}"
    remove(home)
    (home / "outside").mkdir(parents=True)
    (home / "outside/canary").write_text("{}\n")
    (home / "tinynet.py").write_text(NETWORK)
    (home / "bases").symlink_to(place / "bases")
    for name in ("data", "digits"):
        (home / name).symlink_to(place / name)
    os.chdir(home)
    for number, mutant in enumerate(mutants):
        for result in _try(home, mutant, pipe):
            pipe.send(("end", result))
        if number % 10 == 0:
            gc.collect()


def _try(home: Path, mutant: int, pipe: Any = None) -> Iterator[dict[str, Any]]:
    draw = random.Random(mutant)
    bases = [(home / "bases" / name).resolve() for name in BASES]
    base = draw.choice(bases)
    copy_folder(base, home / "damaged")
    said = mutate(home / "damaged", bases, draw)
    readers = [one for one in READERS if base.name in EVOLVED or one[0] in OF_ANY]
    # Each writes a page, which takes as long as all others together.
    quick, pages = ([one for one in readers if _draws(one) == slow] for slow in (False, True))
    for arguments in [*draw.sample(quick, min(len(quick), COMMANDS_EACH - 1)), draw.choice(pages)]:
        command = " ".join(arguments)
        if pipe:
            pipe.send(("begin", (mutant, command)))
        # A command may write into the folder, so that every one has its own copy.
        _copy_damaged(home)
        remove(home / "out")
        (home / "out").mkdir()
        before = _surroundings(home)
        _forget_peak()
        usual, begin = _memory("VmRSS"), time.monotonic()
        code, out, err = _call(arguments)
        seconds, memory = time.monotonic() - begin, max(0, _memory("VmHWM") - usual)
        faults = list(_faults(arguments, code, out, err, seconds=seconds, memory=memory))
        if _surroundings(home) != before:
            faults.append("writes outside the folder")
        faults += [f"writes {page} unescaped" for page in _pages(home) if MARK in page.read_text(errors="replace")]
        failures = [f"{_how(mutant)} ({base.name}, {said}): `{command}` {fault}" for fault in faults]
        yield _result(mutant, command, failures, code=code, seconds=seconds, memory=memory)


def _draws(arguments: tuple[str, ...]) -> bool:
    return arguments[0] == "report" or ("--out" in arguments and arguments[0] != "render")


def _copy_damaged(home: Path) -> None:
    """A copy with its pipes, which `shutil` would wait for."""
    remove(home / "run")
    os.system(f"cp -a '{home / 'damaged'}' '{home / 'run'}'")


def _pages(home: Path) -> list[Path]:
    return [page for where in ("run", "out") for page in (home / where).rglob("*.html") if page.is_file()]


def _surroundings(home: Path) -> list[tuple[str, bytes]]:
    return sorted(
        (str(path), path.read_bytes() if path.is_file() else b"")
        for path in home.rglob("*")
        if path.relative_to(home).parts[0] not in ("run", "out", "damaged", "bases", "data", "digits", "__pycache__")
    )


def _faults(arguments: tuple[str, ...], code: int, out: str, err: str, *, seconds: float, memory: int) -> Iterator[str]:
    if code not in (0, 2):
        yield f"ends with {code}: {_last_error(err)}"
    elif "Traceback" in out + err or "please report" in out + err:
        yield f"shows a traceback: {_last_error(err)}"
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    if code == 2 and len(errors) != 1:
        yield f"says {len(errors)} sentences"
    if any(len(line) > LONGEST_LINE for line in errors):
        yield f"says a sentence of {max(map(len, errors)):,} characters"
    if any(ord(one) < 32 and one not in "\n\t\r" for one in out + err):
        yield "prints control characters"
    if code == 0 and "--json" in arguments:
        try:
            json.loads(out, parse_constant=_refuse)
        except ValueError as error:
            yield f"prints no strict JSON ({str(error)[:100]})"
    if seconds > SECONDS:
        yield f"takes {seconds:.1f} s"
    if memory > MOST_MEMORY:
        yield f"takes {memory / 2**20:,.0f} MiB"


def _refuse(name: str) -> None:
    raise ValueError(name)


def _last_error(err: str) -> str:
    lines = [line for line in err.splitlines() if line.strip() and "please report" not in line]
    places = [line.strip() for line in lines if line.strip().startswith("File ") and "neatfool" in line]
    return f"{lines[-1][:200] if lines else ''} {places[-1] if places else ''}"


def _how(mutant: int) -> str:
    return f"mutant {mutant} (python tests/torture/folders.py {mutant})"


def _memory(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0]) * 1024


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


PART = Part(title="Damaged run folders", torture=torture, short=150, long=20_000)


def main(mutants: list[int]) -> int:
    """Repeats single mutants."""
    failed = False
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _prepare(place)
        for result in _all_results(place, mutants):  # type: ignore[arg-type]
            shown = (result["code"], f"{result['seconds']:.2f} s", result["command"], *result["failures"])
            sys.stdout.write("  ".join(map(str, shown)) + "\n")
            failed |= bool(result["failures"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main([int(one) for one in sys.argv[1:]]))
