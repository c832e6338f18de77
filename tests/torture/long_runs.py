"""Runs of very many generations: the last is made in the time and the memory of the first.

Each is made by a process of its own, of one thread, against a judge of a few microseconds, so that what is measured is
neatfool. In the end a copy of the run as it was after a fifth is taken further in turn with the run itself, so that both
see the same machine. Of the plain settings genomes grow, and the time of a generation with them; so equal times are
demanded where structural mutation is off or genomes are of one size, and reported elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from outcome import Outcome, Part

import neatfool as nf

FIFTHS = 5
BATCH = 8
MOST_GROWTH = 0.03
MOST_SLOWER = 0.10
TURNS = 8
TURN = 150
"""Generations that the early and the late run are taken further at a time, to compare them."""
MOST_SECONDS_TO_READ = 1.0
MOST_BYTES_A_LINE = 300
FIXED = nf.Cppn(add_connection_rate=0, delete_connection_rate=0, add_node_rate=0, delete_node_rate=0)
CASES: dict[str, dict[str, Any]] = {
    "map-elites, cppn": {},
    "neat, cppn": {"strategy": nf.Neat()},
    "map-elites, direct": {"encoding": nf.Direct()},
    "map-elites, cppn of fixed size": {"encoding": FIXED},
    "neat, cppn of fixed size": {"encoding": FIXED, "strategy": nf.Neat()},
}
EVEN = ("map-elites, direct", "map-elites, cppn of fixed size", "neat, cppn of fixed size")


def long_runs(generations: int) -> Outcome:
    """Makes a run of so many generations in each of the ways."""
    failures: list[str] = []
    facts: dict[str, str] = {}
    for case in CASES:
        made = subprocess.run(
            [sys.executable, __file__, case, str(generations)],
            env={**os.environ, "NEATFOOL_THREADS": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            failures.append(f"{case}: {made.stderr.strip()[-2000:]}")
            continue
        rows = json.loads(made.stdout)
        facts[case] = _fact(rows)
        again = f'repeat it with `python tests/torture/long_runs.py "{case}" {generations}`'
        failures += [f"{case}: {fault}; {again}" for fault in _faults(case, rows, generations)]
    return Outcome(f"{len(CASES)} runs of {generations:,} generations of {BATCH} children", failures, facts)


def _faults(case: str, rows: list[dict[str, float]], generations: int) -> list[str]:
    first, last = rows[0], rows[-1]
    faults = []
    if last["resident"] > first["resident"] * (1 + MOST_GROWTH):
        faults.append(f"memory grew from {first['resident']:,.0f} to {last['resident']:,.0f} kB")
    if case in EVEN and last["late"] > last["early"] * (1 + MOST_SLOWER):
        faults.append(f"a generation took {last['early']:.0f} µs early on and {last['late']:.0f} µs late")
    if last["metrics"] > MOST_BYTES_A_LINE * (generations + 1):
        faults.append(f"metrics.jsonl has {last['metrics']:,.0f} bytes")
    if last["read"] > MOST_SECONDS_TO_READ:
        faults.append(f"reading metrics.jsonl took {last['read']:.1f} s")
    return faults


def _fact(rows: list[dict[str, float]]) -> str:
    def course(key: str, unit: float = 1) -> str:
        return "/".join(f"{row[key] / unit:.0f}" for row in rows)

    return (
        f"{course('resident', 1000)} MB, {course('microseconds')} µs a generation "
        f"(in turn: {rows[-1]['early']:.0f} early, {rows[-1]['late']:.0f} late), {course('genes')} genes, "
        f"{course('births')} births, checkpoint {course('checkpoint', 1000)} kB, metrics {rows[-1]['metrics'] / 1e6:.1f} MB "
        f"read in {rows[-1]['read']:.2f} s"
    )


def measure(case: str, generations: int) -> list[dict[str, float]]:
    """Makes a run, and says after each fifth of it how large everything is and how long its generations took."""
    weights = np.random.default_rng(0).normal(size=(64, 4)) / 8

    def judge(images: np.ndarray) -> np.ndarray:
        votes = (images.reshape(len(images), -1) / 255 - 0.5) @ weights
        return 0.5 + votes / (1 + abs(votes)) / 2

    taken: list[float] = []
    progress = lambda _: taken.append(time.perf_counter())  # noqa: E731
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tiny = nf.FunctionJudge(judge, image_shape=(1, 8, 8), classes=4)
        run = nf.evolve(
            tiny,
            generations=1,
            batch=BATCH,
            seed=0,
            out=Path(folder) / "run",
            **CASES[case],
        )
        assert run.folder is not None
        for fifth in range(1, FIFTHS + 1):
            taken.clear()
            run.advance(generations * fifth // FIFTHS, progress=progress)
            arrays = run.search.arrays()
            rows.append(
                {
                    "generation": run.generation,
                    "resident": _resident(),
                    "microseconds": _median(taken),
                    "genes": _genes(arrays),
                    "births": len(arrays["lineage"]),
                    "checkpoint": (run.folder.path / "checkpoint/state.safetensors").stat().st_size,
                    "metrics": (run.folder.path / "metrics.jsonl").stat().st_size,
                }
            )
            if fifth == 1:
                shutil.copytree(run.folder.path, Path(folder) / "early")
        begin = time.process_time()
        lines = len(run.folder.metrics())
        rows[-1]["read"] = time.process_time() - begin
        assert lines == generations + 1
        first = nf.resume(Path(folder) / "early", judge=tiny)
        turns: dict[str, list[float]] = {"early": [], "late": []}
        for _ in range(TURNS):
            for name, one in (("early", first), ("late", run)):
                taken.clear()
                one.advance(one.generation + TURN, progress=progress)
                turns[name].append(_median(taken))
        # The quickest turn: other processes only ever add.
        rows[-1] |= {name: min(medians) for name, medians in turns.items()}
    return rows


def _median(moments: list[float]) -> float:
    """Between two moments, in microseconds."""
    return float(np.median(np.diff(moments))) * 1e6


def _resident() -> float:
    """Memory this process holds, in kB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def _genes(arrays: dict[str, np.ndarray]) -> float:
    """Genes of an elite, on average."""
    if "archive.genomes.genes" in arrays:
        return float(arrays["archive.genomes.genes"].shape[1])
    counts = arrays["archive.genomes.node_counts"] + arrays["archive.genomes.connection_counts"]
    return float(counts.mean())


PART = Part("long runs", long_runs, short=2_000, long=100_000)

if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
