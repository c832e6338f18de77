"""Genomes per second, side by side: neatfool, NumPy, neat-python, and C compiled for each genome.

    python benches/peers.py [--rounds N] [--json]

Every round measures each system in turn, so that a busy machine slows all of them; the ratios are medians over rounds.
All draw the same genomes in unit coordinates to bytes, before the conversion of colours. neatfool draws small ones as a
search does, a generation of 256 at a time: the set, repeated. neat-python draws a part of the set (it takes seconds a
genome), and its ratio compares with neatfool on that part.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from genomes import SHARED, compiled, genome_set

from neatfool import _core, set_threads

GENERATION, SMALL = 256, 64
NEAT_PYTHON_GENOMES = 2
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sine": np.sin,
    "sigmoid": lambda v: 2 / (1 + np.exp(-v)) - 1,
    "gaussian": lambda v: np.exp(-v * v),
    "linear": lambda v: np.clip(v, -3, 3) * np.float32(1 / 3),
}


def rate(draw: Callable[[], int], seconds: float) -> float:
    """Genomes per second of a function that draws some and says how many."""
    draw()
    done, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < seconds:
        done += draw()
    return done / spent


def core(genomes: list[dict[str, Any]], size: int) -> Callable[[], int]:
    """Drawn by neatfool."""
    population = compiled(genomes * (GENERATION // len(genomes) if size <= SMALL else 1))
    out = np.empty((len(population), population.outputs, size, size), np.uint8)

    def draw() -> int:
        population.render(out, first=0, coordinates="unit", color="raw")
        return len(population)

    return draw


def ordered(genome: dict[str, Any]) -> list[tuple[int, str, list[tuple[int, float]]]]:
    """(node, activation, incoming) with every source before its targets."""
    nodes = {node["id"]: node["activation"] for node in genome["nodes"]}
    incoming: dict[int, list[tuple[int, float]]] = {node: [] for node in nodes}
    for connection in genome["connections"]:
        incoming[connection["target"]].append((connection["source"], connection["weight"]))
    done, order = {0, 1, 2, 3}, []
    while len(order) < len(nodes):
        for node, links in incoming.items():
            if node not in done and all(source in done for source, _ in links):
                done.add(node)
                order.append((node, nodes[node], links))
    return order


def numpy(genomes: list[dict[str, Any]], size: int) -> Callable[[], int]:
    """Drawn by NumPy in float32, an array a node."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    inputs = {0: x, 1: y, 2: np.hypot(x, y), 3: np.ones_like(x)}
    programs = [(genome["outputs"], ordered(genome)) for genome in genomes]

    def draw() -> int:
        for outputs, program in programs:
            values = dict(inputs)
            for node, activation, links in program:
                total = np.zeros_like(x)
                for source, weight in links:
                    total += np.float32(weight) * values[source]
                values[node] = FUNCTIONS[activation](total)
            for output in range(4, 4 + outputs):
                (np.abs(values[output]) * 255).astype(np.uint8)
        return len(programs)

    return draw


def neat_python(genomes: list[dict[str, Any]], size: int) -> Callable[[], int]:
    """Drawn by neat-python's feed-forward network, a pixel at a time."""
    import math

    from neat.nn import FeedForwardNetwork

    functions = {
        "sine": math.sin,
        "sigmoid": lambda v: 2 / (1 + math.exp(-v)) - 1,
        "gaussian": lambda v: math.exp(-v * v),
        "linear": lambda v: max(-3.0, min(3.0, v)) / 3,
    }
    networks = []
    for genome in genomes:
        evals = [(node, functions[name], sum, 0.0, 1.0, links) for node, name, links in ordered(genome)]
        networks.append(FeedForwardNetwork([0, 1, 2, 3], list(range(4, 4 + genome["outputs"])), evals))
    axis = np.linspace(-1, 1, size).tolist()

    def draw() -> int:
        for network in networks:
            out = bytearray()
            for y in axis:
                for x in axis:
                    out += bytes(int(abs(v) * 255) for v in network.activate((x, y, math.hypot(x, y), 1.0)))
        return len(networks)

    return draw


def limit(kind: str, size: int, threads: int, seconds: float) -> float | None:
    """The straight-line C of the shared limit.py, if it is at hand."""
    script = SHARED / "limit.py"
    if not script.exists():
        return None
    command = [sys.executable, script, "--set", kind, "--size", size, "--threads", threads, "--seconds", seconds]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return float(json.loads(result.stdout)["genomes_per_second"])


def compare(kind: str, size: int, rounds: int) -> dict[str, Any]:
    """Measures one set at one size."""
    source, genomes = genome_set(3 if kind == "rgb" else 1)
    few = genomes[:NEAT_PYTHON_GENOMES]
    rows: dict[str, list[float]] = {}

    def note(name: str, value: float | None) -> None:
        if value is not None:
            rows.setdefault(name, []).append(value)

    for number in range(rounds):
        for threads in (1, 2):
            set_threads(threads)
            note(f"neatfool, {threads} thread{'s' * (threads > 1)}", rate(core(genomes, size), 1.0))
            note(f"compiled C, {threads} thread{'s' * (threads > 1)}", limit(kind, size, threads, 1.0))
        set_threads(1)
        note("NumPy", rate(numpy(genomes, size), 1.0))
        if number == 0:
            note("neat-python", rate(neat_python(few, size), 1.0))
            note("neatfool, neat-python's genomes", rate(core(few, size), 1.0))
    set_threads(0)

    def ratio(a: str, b: str) -> float | None:
        if a not in rows or b not in rows:
            return None
        return statistics.median(x / y for x, y in zip(rows[a], rows[b], strict=True))

    return {
        "set": f"{kind}, {source}",
        "size": size,
        "genomes_per_second": {name: round(statistics.median(values), 2) for name, values in rows.items()},
        "ratios": {
            "to compiled C, 1 thread": ratio("neatfool, 1 thread", "compiled C, 1 thread"),
            "to compiled C, 2 threads": ratio("neatfool, 2 threads", "compiled C, 2 threads"),
            "2 threads to 1": ratio("neatfool, 2 threads", "neatfool, 1 thread"),
            "to NumPy": ratio("neatfool, 1 thread", "NumPy"),
            "to neat-python": ratio("neatfool, neat-python's genomes", "neat-python"),
        },
    }


def main() -> None:
    """Prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for kind, size in (("rgb", 256), ("gray", 28)):
        result = compare(kind, size, arguments.rounds)
        if arguments.json:
            print(json.dumps(result))
            continue
        print(f"{result['set']}, {size} x {size}, {_core.simd_level()}")
        for name, value in result["genomes_per_second"].items():
            print(f"  {name:34s} {value:14,.2f} genomes/s")
        for name, value in result["ratios"].items():
            print(f"  {name:34s} {'not measured' if value is None else f'{value:14,.2f} x'}")


if __name__ == "__main__":
    main()
