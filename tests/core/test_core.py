"""The compiled core as Python sees it."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neatfool as nf
from neatfool import _core

FUNCTIONS = {
    "sine": np.sin,
    "cosine": np.cos,
    "sigmoid": lambda v: 2 / (1 + np.exp(-np.clip(v, -700, 700))) - 1,
    "tanh": np.tanh,
    "gaussian": lambda v: np.exp(-(v**2)),
    "linear": lambda v: np.clip(v, -3, 3) / 3,
    "absolute": lambda v: np.minimum(np.abs(v), 3) / 3,
    "relu": lambda v: np.clip(v, 0, 3) / 3,
    "triangle": lambda v: 2 / np.pi * np.arcsin(np.sin(v * np.pi / 2)),
}
SIMD_PATHS = ["portable", "avx2", "avx512", "neon"]


def genomes(count: int = 6, outputs: int = 3, seed: int = 0, mutations: int = 20) -> _core.CppnGenomes:
    cppn = nf.Cppn(initial_mutations=mutations, activations=tuple(_core.activation_names()))
    return _core.CppnGenomes.random(count, cppn, outputs=outputs, keep_split=False, seed=seed)[0]


def draw(population: _core.CppnGenomes, size: int = 24, color: str = "hls") -> np.ndarray:
    out = np.empty((len(population), population.outputs, size, size), np.uint8)
    population.render(out, first=0, coordinates="unit", color=color)
    return out


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@given(seed=st.integers(0, 2**64 - 1), outputs=st.sampled_from([1, 3]), mutations=st.integers(0, 60))
@settings(max_examples=30)
def test_arrays_and_json_round_trip(seed, outputs, mutations):
    before = genomes(4, outputs, seed, mutations)
    arrays = before.arrays()
    for after in (
        _core.CppnGenomes.from_arrays(outputs, **arrays | {"enabled": arrays["enabled"].view(np.uint8)}),
        _core.CppnGenomes.from_json([before.json(i) for i in range(4)]),
    ):
        assert all(np.array_equal(values, arrays[name]) for name, values in after.arrays().items())
        assert np.array_equal(draw(after), draw(before))


def test_truth_values_of_a_file_are_checked():
    """An array of truth values that was read from a file may hold any byte."""
    arrays = genomes(3).arrays()
    assert arrays["enabled"].dtype == np.bool_
    broken = np.resize(np.array([0, 1, 2], np.uint8), len(arrays["enabled"])).view(bool)
    with pytest.raises(ValueError, match="enabled has a value of 2"):
        _core.CppnGenomes.from_arrays(3, **arrays | {"enabled": broken.view(np.uint8)})
    start = nf.Cppn().start(3, shape=(3, 8, 8), seed=0, markings=False)
    arrays = start.arrays()
    arrays["enabled"] = np.resize(np.array([0, 1, 2], np.uint8), len(arrays["enabled"])).view(bool)
    with pytest.raises(ValueError, match="enabled has a value of 2"):
        nf.Cppn().restore(arrays, shape=(3, 8, 8), seed=0, markings=False)
    arrays["enabled"] = np.resize(np.array([0, 1], np.uint8), len(arrays["enabled"])).view(bool)
    restored = nf.Cppn().restore(arrays, shape=(3, 8, 8), seed=0, markings=False)
    assert np.array_equal(restored.arrays()["enabled"], arrays["enabled"])


def test_counters_below_the_genomes_of_a_file_are_refused():
    start = nf.Cppn().start(3, shape=(3, 8, 8), seed=0, markings=False)
    for place in (0, 1):
        arrays = start.arrays()
        arrays["counters"][place] -= 1
        with pytest.raises(ValueError, match="beyond the counters"):
            nf.Cppn().restore(arrays, shape=(3, 8, 8), seed=0, markings=False)
    arrays = start.arrays()
    arrays["innovations"][int(arrays["innovations"].argmax())] = 2**32 - 1
    with pytest.raises(ValueError, match="beyond the counters"):
        start.relatives(arrays)


def test_innovation_numbers_that_are_used_up_are_one_sentence():
    arrays = nf.Cppn().start(3, shape=(3, 8, 8), seed=0, markings=False).arrays()
    arrays["counters"][0] = 2**31
    population = nf.Cppn().restore(arrays, shape=(3, 8, 8), seed=0, markings=False)
    with pytest.raises(nf.RunError, match="used up its innovation numbers"):
        population.vary(np.zeros((1, 3), np.uint32), generation=1)


def test_take_put_concatenate():
    a, b = genomes(5, seed=1), genomes(4, seed=2)
    both = _core.CppnGenomes.concatenate([a, b])
    assert np.array_equal(draw(both), np.concatenate([draw(a), draw(b)]))
    assert np.array_equal(draw(both.take(np.array([8, 0], np.uint32))), draw(both)[[8, 0]])
    a.put(np.array([1, 3], np.uint32), b, np.array([2, 2], np.uint32))
    assert np.array_equal(draw(a)[[1, 3]], draw(b)[[2, 2]])


def test_distances_are_a_metric_table():
    population = genomes(5)
    table = population.distances(population, nf.Neat())
    assert table.shape == (5, 5)
    assert np.array_equal(table, table.T)
    assert (np.diag(table) == 0).all()
    assert (table[~np.eye(5, dtype=bool)] > 0).all()


@pytest.mark.parametrize("name", SIMD_PATHS)
def test_every_instruction_set_draws_the_same_bytes(name):
    code = """
        import hashlib, sys, numpy as np, neatfool as nf
        from neatfool import _core
        cppn = nf.Cppn(initial_mutations=30, activations=tuple(_core.activation_names()))
        population, _ = _core.CppnGenomes.random(40, cppn, outputs=3, keep_split=False, seed=5)
        for coordinates in ("unit", "pixel"):
            out = np.empty((40, 3, 37, 53), np.uint8)
            population.render(out, first=0, coordinates=coordinates, color="hls")
            print(hashlib.sha256(out.tobytes()).hexdigest())
        print(_core.simd_level(), file=sys.stderr)
    """
    refused = python("from neatfool import _core; _core.simd_level()", NEATFOOL_SIMD="none").stderr
    available = refused.strip().rpartition("one of: ")[2].split(", ")
    assert available and set(available) <= set(SIMD_PATHS)
    forced = python(code, NEATFOOL_SIMD=name)
    if name not in available:
        assert forced.returncode == 1
        assert f'NEATFOOL_SIMD="{name}" is not available here' in forced.stderr
        pytest.skip(f"this machine has no {name}")
    assert forced.returncode == 0, forced.stderr
    assert forced.stderr.strip() == name
    assert forced.stdout == python(code).stdout


def test_an_unknown_instruction_set_is_an_error():
    result = python("from neatfool import _core; _core.simd_level()", NEATFOOL_SIMD="mmx")
    assert result.returncode
    assert "NEATFOOL_SIMD" in result.stderr


def test_thread_settings():
    try:
        nf.set_threads(3)
        assert _core.threads() == 3
    finally:
        nf.set_threads(0)
    assert python("from neatfool import _core; print(_core.threads())", NEATFOOL_THREADS="5").stdout == "5\n"
    bad = python("from neatfool import _core; _core.threads()", NEATFOOL_THREADS="many")
    assert "ValueError" in bad.stderr
    assert "NEATFOOL_THREADS" in bad.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_draws_too():
    code = """
        import os, numpy as np, neatfool as nf
        from neatfool import _core
        population, _ = _core.CppnGenomes.random(50, nf.Cppn(), outputs=3, keep_split=False, seed=5)
        def draw():
            out = np.empty((50, 3, 32, 32), np.uint8)
            population.render(out, first=0, coordinates="unit", color="hls")
            return out
        before = draw()
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(draw(), before) else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert python(code).stdout == "0\n"


def test_ctrl_c_interrupts_a_long_call_within_a_second():
    code = """
        import signal, numpy as np, neatfool as nf
        from neatfool import _core
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        cppn = nf.Cppn(initial_mutations=100)
        population, _ = _core.CppnGenomes.random(100, cppn, outputs=1, keep_split=False, seed=5)
        out = np.empty((100, 1, 2048, 2048), np.uint8)
        try:
            print("ready", flush=True)
            for _ in range(50):
                population.render(out, first=0, coordinates="unit", color="hls")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - pressed < 1
    process.communicate(timeout=60)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: p.render(np.empty((6, 1, 8, 8), np.uint8), first=0, coordinates="unit", color="hls"),
        lambda p: p.render(np.empty((7, 3, 8, 8), np.uint8), first=0, coordinates="unit", color="hls"),
        lambda p: p.render(np.empty((6, 3, 8, 8), np.uint8), first=1, coordinates="unit", color="hls"),
        lambda p: p.render(np.empty((6, 3, 0, 8), np.uint8), first=0, coordinates="unit", color="hls"),
        lambda p: p.render(np.empty((6, 3, 8, 8), np.uint8), first=0, coordinates="polar", color="hls"),
        lambda p: p.render(np.empty((6, 3, 8, 8), np.uint8), first=0, coordinates="unit", color="lab"),
        lambda p: p.render(
            np.empty((6, 8, 8, 3), np.uint8).transpose(0, 3, 1, 2), first=0, coordinates="unit", color="hls"
        ),
        lambda p: _core.CppnGenomes.concatenate([p, genomes(1, outputs=1)]),
        lambda p: _core.CppnGenomes.from_json(["{}"]),
        lambda p: _core.CppnGenomes.from_json([p.json(0).replace('"version":1', '"version":9')]),
        lambda p: _core.CppnGenomes.random(1, nf.Cppn(), outputs=2, keep_split=False, seed=0),
        lambda p: _core.draw_parents(1, 1, 0, seed=0, generation=0, first_index=0),
        lambda p: _core.Species.from_json(["[]"]),
        lambda p: _core.DirectGenomes.random(1, length=0, seed=0),
        lambda p: _core.DirectGenomes.random(2**40, length=2**40, seed=0),
        lambda p: _core.DirectGenomes.smooth(1, shape=(2, 4, 4), cells=3, seed=0),
        lambda p: _core.DirectGenomes.smooth(1, shape=(1, 0, 4), cells=3, seed=0),
        lambda p: _core.DirectGenomes.smooth(1, shape=(3, 2**40, 2**40), cells=3, seed=0),
        lambda p: _core.DirectGenomes.smooth(1, shape=(1, 4, 4), cells=0, seed=0),
        lambda p: _core.draw_parents(2**32 - 1, 2**62, 1, seed=0, generation=0, first_index=0),
        lambda p: p.silenced(0, 3),
        lambda p: p.silenced(0, 2**31),
        lambda p: p.sums_at(0, 0, height=4, width=4, coordinates="unit"),
        lambda p: p.sums_at(0, 4, height=0, width=4, coordinates="unit"),
        lambda p: p.sums_at(0, 4, height=4, width=4, coordinates="polar"),
    ],
)
def test_wrong_arguments_are_value_errors(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        wrong(genomes())


def test_indices_out_of_range():
    with pytest.raises(IndexError):
        genomes().take(np.array([6], np.uint32))
    with pytest.raises(IndexError):
        genomes().json(6)


@pytest.mark.parametrize("coordinates", ["unit", "pixel"])
def test_silenced_nodes_and_sums(coordinates):
    population = genomes(3, mutations=25)
    at = {"height": 11, "width": 7, "coordinates": coordinates}
    for index in range(3):
        genome = json.loads(population.json(index))
        for node in (gene["id"] for gene in genome["nodes"]):
            sums = population.sums_at(index, node, **at)
            assert sums.shape == (11, 7)
            assert sums.dtype == np.float32
            if node < 7:
                drawn = population.outputs_at(index, **at)[node - 4]
                exact = FUNCTIONS[genome["nodes"][node - 4]["activation"]](sums.astype(np.float64))
                assert np.abs(drawn - exact).max() < 1e-2  # a sum in pixel coordinates is large, so its last bits count
            silent = population.silenced(index, node)
            assert len(silent) == 1
            assert (silent.sums_at(0, node, **at) == 0).all()
            assert all(gene["target"] != node for gene in json.loads(silent.json(0))["connections"])
    small = population.sums_at(0, 4, height=3, width=3, coordinates=coordinates, home=(5, 5))
    large = population.sums_at(0, 4, height=5, width=5, coordinates=coordinates)
    assert np.allclose(small, large[::2, ::2], rtol=1e-3, atol=1e-3)
    with pytest.raises(IndexError):
        population.silenced(3, 4)


@pytest.mark.parametrize("coordinates", ["unit", "pixel"])
def test_pixels_agree_with_an_independent_float64_evaluation(coordinates):
    """Of all bytes, 99.9 % are within 1 of the exact value; chaotic pixels of deep genomes make the rest."""
    size = 40
    population = genomes(30, 3, seed=9, mutations=12)
    out = np.empty((30, 3, size, size), np.uint8)
    population.render(out, first=0, coordinates=coordinates, color="raw")
    exact = np.stack([evaluate(population, i, size, coordinates) for i in range(30)])
    off = np.abs(out.astype(int) - np.trunc(np.abs(exact) * 255).astype(int))
    assert (off <= 1).mean() >= 0.999


def evaluate(population: _core.CppnGenomes, index: int, size: int, coordinates: str) -> np.ndarray:
    genome = json.loads(population.json(index))
    row, column = np.mgrid[:size, :size].astype(np.float64)
    unit = [2 * v / (size - 1) - 1 for v in (column, row)]
    x, y = unit if coordinates == "unit" else (column, row)
    values = {0: x, 1: y, 2: np.hypot(*unit), 3: np.ones((size, size))}
    nodes = {node["id"]: node["activation"] for node in genome["nodes"]}

    def value(node: int) -> np.ndarray:
        if node not in values:
            incoming = [c for c in genome["connections"] if c["target"] == node and c["enabled"]]
            total = sum((c["weight"] * value(c["source"]) for c in incoming), np.zeros((size, size)))
            values[node] = FUNCTIONS[nodes[node]](total)
        return values[node]

    return np.stack([value(4 + channel) for channel in range(genome["outputs"])])


@given(seed=st.integers(0, 1000), generation=st.integers(1, 50), count=st.integers(1, 9), cut=st.integers(0, 8))
@settings(max_examples=25)
def test_a_generation_may_be_made_in_parts(seed, generation, count, cut):
    cut = min(cut, count)
    pool = _core.DirectGenomes.random(4, length=300, seed=seed)
    rows = np.column_stack(
        [_core.draw_parents(count, 2, 4, seed=seed, generation=generation, first_index=0), np.ones(count, np.uint32)]
    )
    whole = pool.vary(rows, nf.Direct(), seed=seed, generation=generation, first_index=0).array()
    parts = [
        pool.vary(part, nf.Direct(), seed=seed, generation=generation, first_index=first).array()
        for part, first in ((rows[:cut], 0), (rows[cut:], cut))
    ]
    assert np.array_equal(whole, np.concatenate(parts))
