"""What worker processes of a Ray cluster cost, and how far they reach.

    python benches/scaling.py [--model NAME] [--weights FILE] [--backend NAME] [--generations N] [--batch N] [--rounds N]
                              [--workers N ...] [--simulate N ...] [--ahead N ...] [--rate R] [--json FILE]

First whole runs, in this process and with workers on the same cores, in turns; the ratios are medians over rounds. Then the
parts of which a generation consists, and how long one takes with many workers: as a model of the parts says, and as it is with
workers that do nothing but sleep as long as a GPU would work that looks at R images a second.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import numpy as np
import torch

import neatfool as nf
from neatfool.models import ModelConfig
from neatfool.scaling.cluster import import_ray
from neatfool.scaling.crew import Crew, Work
from neatfool.scaling.judge import piece_of
from neatfool.search import Evaluator, Profile

CLASSES, SHAPE, CHUNK = 1000, (3, 224, 224), 200

_GENERATIONS = 9


def overhead(arguments: argparse.Namespace) -> dict[str, Any]:
    """Images a second of whole runs, here and with workers."""
    model = ModelConfig(name=arguments.model, weights=arguments.weights, backend=arguments.backend, device="cpu")
    settings = {"generations": arguments.generations, "batch": arguments.batch}
    here = model.load()
    nf.evolve(here, generations=0, batch=arguments.batch)
    cores = torch.get_num_threads()
    found: dict[str, Any] = {"model": arguments.model, "backend": arguments.backend, "cores": cores, "workers": {}}
    for count in arguments.workers:
        alone, together = [], []
        begin = time.perf_counter()
        with nf.RayJudge(model, workers=count, per_worker_cpus=max(1, cores // count)) as judge:
            started = time.perf_counter() - begin
            while len(judge._crew) < count:
                nf.evolve(judge, generations=0, batch=arguments.batch)
            for seed in range(arguments.rounds):
                begin = time.perf_counter()
                run = nf.evolve(here, seed=seed, **settings)
                middle = time.perf_counter()
                nf.evolve(judge, seed=seed, **settings)
                together.append(time.perf_counter() - middle)
                alone.append(middle - begin)
        ratio = statistics.median(there / one for there, one in zip(together, alone, strict=True))
        images = run.evaluations
        found["workers"][count] = {
            "threads_each": max(1, cores // count),
            "start_seconds": started,
            "images_per_second_here": images / statistics.median(alone),
            "images_per_second": images / statistics.median(together),
            "time_to_here": ratio,
            "extra_ms_per_image": 1e3 * statistics.median(b - a for a, b in zip(alone, together, strict=True)) / images,
        }
        print(
            f"{arguments.model}, {arguments.backend}, {count} workers of {max(1, cores // count)} threads, {images:,} images: "
            f"{images / statistics.median(together):,.1f} images/s, here {images / statistics.median(alone):,.1f}; "
            f"{ratio:.3f} of the time; {started:.1f} s to start",
            flush=True,
        )
    return found


class Sleeper:
    """A worker that takes as long as a GPU, and answers nothing in particular."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def load(self) -> bool:
        """Says that it is there."""
        return True

    def judge(self, _: Any, count: int) -> Any:
        """Confidences, after a while."""
        time.sleep(count * self.seconds)
        return np.full((count, CLASSES), 1e-3, np.float32)


class Silent:
    """Nobody is told."""

    def done(self, size: int, seconds: float) -> None:
        """Nothing."""

    def redone(self) -> None:
        """Nothing."""

    def workers(self, count: int) -> None:
        """Nothing."""


class Asleep:
    """An `EagerJudge` over workers that sleep."""

    name, image_shape = "asleep", SHAPE
    class_names = tuple(map(str, range(CLASSES)))

    def __init__(self, workers: int, seconds: float) -> None:
        ray = import_ray()

        def start() -> tuple[Any, Any]:
            actor = ray.remote(Sleeper).options(num_cpus=0.01, max_concurrency=1).remote(seconds)
            return actor, actor.load.remote()

        self.count = workers
        self.begun: dict[int, tuple[Work, Any]] = {}
        self.crew = Crew(start, lambda _: None, lambda: workers, Silent())
        while len(self.crew) < workers:
            self.crew.assemble()
            self.one_piece()

    def confidences(self, images: Any) -> Any:
        """Not asked."""
        raise NotImplementedError

    def genome_confidences(self, genomes: Any) -> Any:
        """As `RayJudge` asks."""
        self.begin(genomes)
        work, scores = self.begun.pop(id(genomes))
        self.crew.finish(work)
        return scores

    def begin(self, genomes: Any) -> None:
        """As `RayJudge` begins."""
        if id(genomes) in self.begun:
            return
        scores = np.empty((len(genomes), CLASSES), np.float32)
        starts = [*range(0, len(genomes), cut(len(genomes), self.count)), len(genomes)]

        def ask(actor: Any, number: int) -> Any:
            first, last = starts[number : number + 2]
            return actor.judge.remote(genomes.take(np.arange(first, last)).arrays(), last - first)

        def take(number: int, result: Any) -> None:
            scores[starts[number] : starts[number + 1]] = result

        work = Work(np.diff(starts).tolist(), ask, take)
        self.begun[id(genomes)] = work, scores
        self.crew.begin(work)

    def one_piece(self) -> None:
        """Waits for a piece of no work."""
        work = Work([0], lambda actor, _: actor.judge.remote(None, 1), lambda *_: None)
        self.crew.begin(work)
        self.crew.finish(work)

    def forget(self) -> None:
        """Gives up what nobody asked for."""
        while self.begun:
            self.crew.forget(self.begun.popitem()[1][0])


def cut(count: int, workers: int) -> int:
    """Images in a piece."""
    return piece_of(count, workers=workers, chunk=CHUNK, classes=CLASSES)


def parts(batch: int) -> dict[str, float]:
    """Seconds of the driver for an image: varying, selecting, and its messages there and back; and their bytes."""
    search = nf.Search(SHAPE, CLASSES, start=batch, batch=batch)
    rng, vary, select, send = np.random.default_rng(1), [], [], []
    for _ in range(6):
        begin = time.perf_counter()
        genomes = search.ask_genomes()
        varied = time.perf_counter()
        message = pickle.dumps(genomes.take(np.arange(len(genomes))).arrays(), protocol=5)
        sent = time.perf_counter()
        scores = rng.random((batch, CLASSES), np.float32) * 0.01
        answer = pickle.dumps(scores, protocol=5)
        back = time.perf_counter()
        scores[:] = pickle.loads(answer)
        received = time.perf_counter()
        search.tell(scores)
        select.append(time.perf_counter() - received)
        vary.append(varied - begin)
        send.append(sent - varied + received - back)
    return {
        "vary": statistics.median(vary[1:]) / batch,
        "select": statistics.median(select[1:]) / batch,
        "messages": statistics.median(send[1:]) / batch,
        "bytes_out": len(message) / batch,
        "bytes_back": len(answer) / batch,
    }


def predicted(found: dict[str, float], batch: int, workers: int, rate: float) -> float:
    """Seconds of a generation: what the driver does alone, and then the longer of its messages and the workers' work."""
    piece = cut(batch, workers)
    rounds = math.ceil(batch / piece / workers)
    work = rounds * piece / rate
    return batch * (found["vary"] + found["select"]) + max(work, batch * found["messages"]) + found["latency"]


def latency(asleep: Asleep) -> float:
    """Seconds from asking to an answer of one piece of no work."""
    times = []
    for _ in range(50):
        begin = time.perf_counter()
        asleep.one_piece()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def generation(asleep: Asleep, batch: int, ahead: int) -> float:
    """Seconds that a generation takes, one after the other."""
    search = nf.Search(SHAPE, CLASSES, start=batch, batch=batch, ahead=ahead)
    judge, times = Evaluator(asleep, Profile()), []
    for _ in range(_GENERATIONS):
        first, *later = search.ask_generations()
        search.tell(judge(first, later=later))
        times.append(time.perf_counter())
    judge.close()
    # Those ahead are begun with the first generation after the start.
    return (times[-1] - times[1]) / (len(times) - 2)


def simulate(arguments: argparse.Namespace) -> list[dict[str, float]]:
    """Generations with workers that sleep, and as the model says."""
    ray, rows = import_ray(), []
    for workers in arguments.simulate:
        batch = workers * CHUNK * arguments.chunks_each
        found = parts(batch)
        ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
        asleep = Asleep(workers, 1 / arguments.rate)
        found["latency"] = latency(asleep)
        reached = {ahead: batch / generation(asleep, batch, ahead) for ahead in arguments.ahead}
        ray.shutdown()
        row = {
            "workers": workers,
            "batch": batch,
            "rate": arguments.rate,
            **found,
            "predicted_images_per_second": batch / predicted(found, batch, workers, arguments.rate),
            "simulated_images_per_second": reached,
        }
        rows.append(row)
        print(
            f"{workers} workers of {arguments.rate:,.0f} images/s, batches of {batch:,}: "
            + ", ".join(f"{one:,.0f} images/s simulated with {ahead} ahead" for ahead, one in reached.items())
            + f", {row['predicted_images_per_second']:,.0f} predicted with none; "
            + ", ".join(f"{name} {1e6 * found[name]:.2f} us/image" for name in ("vary", "select", "messages"))
            + f", latency {1e3 * found['latency']:.2f} ms, {found['bytes_out']:,.0f} bytes out and "
            f"{found['bytes_back']:,.0f} back an image",
            flush=True,
        )
    return rows


def main() -> None:
    """Prints the figures of docs/scaling.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="squeezenet1_0")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--generations", type=int, default=3)
    parser.add_argument("--batch", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--simulate", type=int, nargs="*", default=[1, 8, 64])
    parser.add_argument("--ahead", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--rate", type=float, default=5000)
    parser.add_argument("--chunks-each", type=int, default=4)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    result = {"overhead": overhead(arguments), "simulation": simulate(arguments)}
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
