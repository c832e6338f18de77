"""The same seed gives the same bytes, however a run is made.

A case is a kind of run and a seed, of which its size, number of classes and so on are drawn. Each is made once, in a
folder; then in every one of `WAYS` in this process, and in processes of other environments. Compared are all arrays of
the checkpoint, the metrics but for the seconds, the pictures and their files.
"""

from __future__ import annotations

import cProfile
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from outcome import Outcome, Part

import neatfool as nf

Digests = dict[str, str]
"""A hash of each part of a run."""

NETWORK = "lenet-mnist"
KINDS: dict[str, dict[str, Any]] = {
    "map-elites, cppn": {},
    "map-elites, cppn of the paper": {"encoding": nf.Cppn(coordinates="pixel", color="hsv", initial_mutations=0)},
    "map-elites, direct": {"encoding": nf.Direct(halve_every=3)},
    "map-elites, direct of the paper": {
        "encoding": nf.Direct(initial_cells=0, halve_every=3),
        "strategy": nf.MapElites(),
    },
    "two generations ahead": {"ahead": 2},
    "neat, cppn": {"strategy": nf.Neat()},
    NETWORK: {},
}


@dataclass(frozen=True)
class Case:
    """A run of some kind."""

    kind: str
    seed: int

    def arguments(self, *, chunk: int | None = None, ahead: bool = False) -> dict[str, Any]:
        """What `evolve` is given; with `chunk`, the judge is one that is shown so many images at a time."""
        rng = np.random.default_rng(self.seed)
        plain = {"generations": int(rng.integers(4, 9)), "batch": int(rng.integers(12, 40)), "seed": self.seed}
        if self.kind == NETWORK:
            return {"source": nf.load_classifier(NETWORK, device="cpu"), **plain, "batch": 20, "generations": 3}
        shape = (int(rng.choice([1, 3])), int(rng.integers(4, 13)), int(rng.integers(4, 13)))
        classes = int(rng.integers(1, 7))
        weights = rng.integers(-99, 100, (int(np.prod(shape)), classes))

        def judge(images: np.ndarray) -> np.ndarray:
            # Whole numbers, and then operations that IEEE 754 rounds in one way.
            votes = (images.reshape(len(images), -1).astype(np.int64) @ weights).astype(np.float64)
            return 0.5 + votes / (2.0**14 + abs(votes)) / 2

        source = (
            nf.FunctionJudge(judge, image_shape=shape, classes=classes, name="whole numbers")
            if chunk is None
            else Chunked(judge, image_shape=shape, classes=classes, name="whole numbers", chunk=chunk, ahead=ahead)
        )
        return {"source": source, **plain, **KINDS[self.kind]}


class Chunked(nf.FunctionJudge):
    """A judge that is shown some images at a time."""

    def __init__(self, *arguments: Any, chunk: int, ahead: bool, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.chunk = chunk
        self.draws_ahead = ahead

    def image_buffer(self) -> np.ndarray:
        return np.empty((self.chunk, *self.image_shape), np.uint8)

    def stream_confidences(self, chunks: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate([self.confidences(images) for images in chunks])


def of_search(search: nf.Search) -> Digests:
    """The state of a search, and the pictures of its elites."""
    arrays = {f"checkpoint: {name}": _hash(values) for name, values in search.arrays().items()}
    return {**arrays, "pictures": _hash(search.archive.pixels())}


def of_run(run: nf.Run) -> Digests:
    """The state of a run, and its metrics."""
    return {**of_search(run.search), "metrics": _hash_metrics(run.metrics)}


def of_folder(path: Path) -> Digests:
    """What a run folder holds."""
    folder = nf.RunFolder.open(path)
    arrays, _ = folder.load_checkpoint()
    digests = {f"checkpoint: {name}": _hash(values) for name, values in arrays.items()}
    files = {f"images/{one.name}": _hash_bytes(one.read_bytes()) for one in (path / "images").iterdir()}
    return {**digests, **files, "metrics": _hash_metrics(folder.metrics())}


def _hash(values: np.ndarray) -> str:
    return _hash_bytes(f"{values.dtype} {values.shape} ".encode() + values.tobytes())


def _hash_metrics(rows: Iterable[Mapping[str, Any]]) -> str:
    return _hash_bytes(json.dumps([{k: v for k, v in row.items() if k != "seconds"} for row in rows]).encode())


def _hash_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def reference(case: Case, folder: Path) -> Digests:
    """The run made in the plain way, in a folder."""
    run = nf.evolve(**case.arguments(), out=folder)
    return of_folder(folder) | of_run(run)


def _threads(count: int) -> Callable[[Case, Path], Iterator[Digests]]:
    def made(case: Case, folder: Path) -> Iterator[Digests]:
        try:
            nf.set_threads(count)
            yield of_run(nf.evolve(**case.arguments()))
        finally:
            nf.set_threads(0)

    return made


def _stopped(case: Case, folder: Path) -> Iterator[Digests]:
    arguments = case.arguments()
    for moment in range(arguments["generations"]):
        seen: list[nf.Progress] = []
        out = folder / str(moment)
        nf.evolve(**arguments, out=out, progress=seen.append, stop=lambda: len(seen) > moment)  # noqa: B023
        run = nf.resume(out, judge=arguments["source"])
        yield of_run(run) | of_folder(out)


def _by_steps(case: Case, folder: Path) -> Iterator[Digests]:
    arguments = case.arguments()
    for out in (None, folder / "run"):
        run = nf.evolve(**arguments | {"generations": 0}, out=out)
        for generation in range(1, arguments["generations"] + 1):
            run.advance(generation)
        yield of_run(run)
    yield of_folder(folder / "run")


def _watched(case: Case, folder: Path) -> Iterator[Digests]:
    seen: list[nf.Progress] = []
    yield of_run(nf.evolve(**case.arguments(), progress=seen.append, stop=lambda: False))


def _profiled(case: Case, folder: Path) -> Iterator[Digests]:
    with cProfile.Profile():
        run = nf.evolve(**case.arguments())
    run.summary()
    yield of_run(run)


def _asked(case: Case, folder: Path) -> Iterator[Digests]:
    arguments = case.arguments()
    judge, generations = arguments.pop("source"), arguments.pop("generations")
    search = nf.Search(judge.image_shape, judge.class_names, **arguments)
    for _ in range(generations + 1):
        search.ask()
        search.tell(judge.confidences(search.ask()))
    yield of_search(search)


def _chunks(case: Case, folder: Path) -> Iterator[Digests]:
    # A network has one size of chunk for good: it is part of how it computes.
    if case.kind != NETWORK:
        for chunk, ahead in itertools.product((1, 3, 16, 1000), (False, True)):
            yield of_run(nf.evolve(**case.arguments(chunk=chunk, ahead=ahead)))


def _in_parts(case: Case, folder: Path) -> Iterator[Digests]:
    genomes = nf.evolve(**case.arguments()).archive.genomes
    for size in (1, 2, 3):
        pictures = np.zeros((len(genomes), *genomes.shape), np.uint8)
        for first in range(0, len(genomes), size):
            genomes.render(pictures[first : first + size], first=first)
        yield {"pictures": _hash(pictures)}


WAYS: dict[str, Callable[[Case, Path], Iterator[Digests]]] = {
    "1 thread": _threads(1),
    "2 threads": _threads(2),
    "7 threads": _threads(7),
    "stopped after each generation and resumed": _stopped,
    "a generation at a time": _by_steps,
    "watched": _watched,
    "profiled": _profiled,
    "by ask and tell": _asked,
    "in chunks of other sizes, drawn ahead or in turn": _chunks,
    "drawn in parts": _in_parts,
}


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """The last bits of a network may depend on torch's number of threads, which is no matter of this library."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def differences(case: Case, way: str, wanted: Digests, found: Digests) -> list[str]:
    """A sentence if something found is not what is wanted."""
    other = [name for name in found if found[name] != wanted.get(name)]
    shown = ", ".join(other[:5])
    return [f"{case}, {way}: other bytes of {shown}"] if other or not found else []


def environments(count: int) -> list[dict[str, str]]:
    """So many of the environments that a process may have; the first three have all levels, numbers of threads and so on."""
    levels = simd_levels()
    rest = [
        {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"},
        {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu"},
        {"PYTHONHASHSEED": "4294967295", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns"},
    ]
    made = [
        {"NEATFOOL_SIMD": levels[(row + shift) % len(levels)], "NEATFOOL_THREADS": threads, **rest[row]}
        for shift in range(len(levels))
        for row, threads in enumerate(("1", "2", "7"))
    ]
    return made[:count]


def simd_levels() -> list[str]:
    """The instruction sets that this processor has."""
    code = "from neatfool import _core; _core.simd_level()"
    names = ("avx512", "avx2", "neon", "portable")
    return [name for name in names if not _python("-c", code, environment={"NEATFOOL_SIMD": name}).returncode]


def _python(
    *arguments: str, environment: Mapping[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(nf.__file__).parents[1]), **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def cases(seeds: int) -> list[Case]:
    """Every kind with each seed."""
    return [Case(kind, seed) for seed in range(seeds) for kind in KINDS]


def elsewhere(seeds: int, environment: Mapping[str, str], folder: Path) -> list[Digests]:
    """The same cases, made by a process of that environment in that folder.

    Raises:
        RuntimeError: it failed.
    """
    made = _python(__file__, str(seeds), environment=environment, cwd=folder)
    if made.returncode:
        raise RuntimeError(made.stderr[-2000:])
    digests: list[Digests] = json.loads(made.stdout)
    return digests


def matrix(seeds: int) -> Outcome:
    """Makes the cases of so many seeds in every way, and in other environments."""
    failures: list[str] = []
    compared = 0
    with tempfile.TemporaryDirectory() as scratch, one_torch_thread():
        folder = Path(scratch)
        wanted = []
        for case in cases(seeds):
            home = folder / f"{case.seed} {case.kind}"
            wanted.append(reference(case, home / "reference"))
            for way, make in WAYS.items():
                for found in make(case, home / way):
                    failures += differences(case, way, wanted[-1], found)
                    compared += 1
        tried = environments(9 if seeds > 1 else 3)
        for environment in tried:
            place = folder / environment["LC_ALL"]
            place.mkdir(exist_ok=True)
            for case, one, found in zip(cases(seeds), wanted, elsewhere(seeds, environment, place), strict=True):
                failures += differences(case, f"with {environment}", one, found)
                compared += 1
    facts = {"instruction sets": ", ".join(sorted({one["NEATFOOL_SIMD"] for one in tried}))}
    return Outcome(
        f"{compared:,} runs compared with {len(wanted)}, in {len(WAYS)} ways and {len(tried)} environments",
        failures,
        facts,
    )


PART = Part("the same seed, the same bytes", matrix, short=1, long=40)

if __name__ == "__main__":
    with one_torch_thread():
        sys.stdout.write(json.dumps([of_run(nf.evolve(**case.arguments())) for case in cases(int(sys.argv[1]))]))
