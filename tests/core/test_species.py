"""Speciation of all populations of a run in one call."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import neatfool as nf
from neatfool import _core

SIZES = np.array([40, 1, 25, 60], np.uint32)
ENDS = np.cumsum(SIZES).astype(np.uint32)
CHILDREN = np.array([30, 7, 0, 45], np.uint32)
TOTAL = int(SIZES.sum())
FITNESS = ((np.arange(TOTAL) * 37) % 101 / 101).astype(np.float32)

# Dividing this takes minutes: the threshold starts far too low for so many species.
LONG = nf.Neat(target_species=1000, initial_threshold=1e-30)
LONG_CODE = """
    import os, signal, sys, threading, time, numpy as np, neatfool as nf
    from neatfool import _core
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    pool, _ = _core.CppnGenomes.random(6000, nf.Cppn(initial_mutations=20), outputs=3, keep_split=True, seed=3)
    settings = nf.Neat(target_species=1000, initial_threshold=1e-30)
    species = _core.Species(1, settings)
    before = species.json()
    def reproduce():
        species.reproduce(
            pool, np.array([6000], np.uint32), np.ones(6000, np.float32), settings,
            children=np.array([6000], np.uint32), seed=1, generation=1,
        )
"""


def genomes(count: int = TOTAL) -> _core.CppnGenomes:
    cppn = nf.Cppn(initial_mutations=20)
    return _core.CppnGenomes.random(count, cppn, outputs=3, keep_split=True, seed=3)[0]


def reproduce(species, pool, *, ends=ENDS, fitness=FITNESS, children=CHILDREN, seed=5, generation=1, settings=None):
    settings = settings or nf.Neat()
    return species.reproduce(pool, ends, fitness, settings, children=children, seed=seed, generation=generation)


def start(*commands: str) -> "subprocess.Popen[str]":
    code = textwrap.dedent(LONG_CODE) + textwrap.dedent("\n".join(commands))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_plans_are_those_of_one_population_after_the_other():
    """The digest is that of a program that took the populations one by one."""
    pool, species, digest = genomes(), _core.Species(len(SIZES), nf.Neat()), hashlib.sha256()
    for generation in (1, 2, 3):
        elites, matings = reproduce(species, pool, generation=generation)
        assert elites.dtype == matings.dtype == np.uint32
        assert matings.shape == (CHILDREN.sum(), 3)
        digest.update(elites.tobytes())
        digest.update(matings.tobytes())
        digest.update("".join(species.json()).encode())
    assert digest.hexdigest() == "958c8f656f32578c42bac7605565e88ff86bede23ccc086c00e817d52e888ded"


@pytest.mark.parametrize("population", range(len(SIZES)))
def test_a_population_depends_on_itself_and_its_number_only(population):
    pool, species = genomes(), _core.Species(len(SIZES), nf.Neat())
    elites, matings = reproduce(species, pool)
    first, end = int(ENDS[population] - SIZES[population]), int(ENDS[population])
    # The same genomes with the same number, among populations of one genome.
    others = np.zeros(population, np.uint32)
    alone = _core.Species(population + 1, nf.Neat())
    elites_alone, matings_alone = reproduce(
        alone,
        pool.take(np.concatenate([others, np.arange(first, end, dtype=np.uint32)])),
        ends=np.append(np.arange(1, population + 1), population + end - first).astype(np.uint32),
        fitness=np.concatenate([np.ones(population, np.float32), FITNESS[first:end]]),
        children=np.append(others, CHILDREN[population]),
    )
    own = elites[(elites >= first) & (elites < end)]
    assert np.array_equal(elites_alone[elites_alone >= population], own - first + population)
    rows = np.split(matings, np.cumsum(CHILDREN)[:-1])[population]
    assert ((rows[:, :2] >= first) & (rows[:, :2] < end)).all()
    assert np.array_equal(matings_alone[:, :2], rows[:, :2] - first + population)
    assert np.array_equal(matings_alone[:, 2], rows[:, 2])
    assert alone.json()[population] == species.json()[population]


def test_threads_do_not_show():
    results = []
    try:
        for threads in (1, 2, 7):
            nf.set_threads(threads)
            pool, species = genomes(), _core.Species(len(SIZES), nf.Neat())
            plans = [reproduce(species, pool, generation=generation) for generation in (1, 2)]
            results.append((plans, species.json()))
    finally:
        nf.set_threads(0)
    for plans, texts in results[1:]:
        assert texts == results[0][1]
        for plan, expected in zip(plans, results[0][0], strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(plan, expected, strict=True))


def test_state_survives_json():
    pool, species = genomes(), _core.Species(len(SIZES), nf.Neat())
    assert species.counts().tolist() == [0, 0, 0, 0]
    reproduce(species, pool)
    counts = species.counts()
    assert counts.dtype == np.uint32
    assert counts.tolist() == [len(json.loads(text)["species"]) for text in species.json()]
    assert (counts > 0).all()
    read = _core.Species.from_json(species.json())
    assert len(read) == len(SIZES)
    assert read.json() == species.json()
    for plan, expected in zip(reproduce(read, pool), reproduce(species, pool), strict=True):
        assert np.array_equal(plan, expected)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"threshold":', '"threshold":-'),
        ('"next_id":', '"next_id":0,"x":'),
        ('"version":1', '"version":2'),
        ('"age":1', '"age":0'),
        ("}", ""),
    ],
)
def test_broken_json_is_refused_and_its_population_named(old, new):
    species = _core.Species(len(SIZES), nf.Neat())
    reproduce(species, genomes())
    texts = species.json()
    assert old in texts[2]
    with pytest.raises(ValueError, match="population 2"):
        _core.Species.from_json([*texts[:2], texts[2].replace(old, new), texts[3]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ends": ENDS[:3]}, "ends"),
        ({"ends": np.array([40, 41, 66, 125], np.uint32)}, "ends"),
        ({"ends": np.array([40, 41, 66, 127], np.uint32)}, "ends"),
        ({"ends": np.array([41, 40, 66, 126], np.uint32)}, "ends"),
        ({"ends": np.array([40, 2**32 - 1, 66, 126], np.uint32)}, "ends"),
        ({"ends": np.array([40, 40, 66, 126], np.uint32)}, "population 1"),
        ({"children": CHILDREN[:3]}, "children"),
        ({"fitness": FITNESS[:-1]}, "fitness"),
        ({"fitness": np.where(np.arange(TOTAL) == 7, np.nan, FITNESS).astype(np.float32)}, "genome 7"),
        ({"fitness": np.where(np.arange(TOTAL) == 7, np.inf, FITNESS).astype(np.float32)}, "genome 7"),
        ({"fitness": np.where(np.arange(TOTAL) == 7, -1, FITNESS).astype(np.float32)}, "genome 7"),
        ({"settings": nf.Neat().model_copy(update={"weight_coefficient": 1e300})}, "weight"),
    ],
)
def test_wrong_arguments_change_nothing(arguments, message):
    species, pool = _core.Species(len(SIZES), nf.Neat()), genomes()
    reproduce(species, pool)
    before = species.json()
    with pytest.raises(ValueError, match=message):
        reproduce(species, pool, **arguments)
    assert species.json() == before


def test_no_populations():
    elites, matings = reproduce(
        _core.Species(0, nf.Neat()),
        genomes(0),
        ends=np.zeros(0, np.uint32),
        fitness=np.zeros(0, np.float32),
        children=np.zeros(0, np.uint32),
    )
    assert elites.shape == (0,)
    assert matings.shape == (0, 3)


def test_distances_beyond_all_numbers_end():
    """Coefficients so large that distances overflow: everybody is of one species, and no loop goes on for ever."""
    settings = nf.Neat(excess_coefficient=3e38, disjoint_coefficient=3e38, target_species=1)
    species = _core.Species(len(SIZES), settings)
    reproduce(species, genomes(), settings=settings)
    reproduce(species, genomes(), settings=settings, generation=2)
    assert (species.counts() <= 2).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_reproduces_too():
    code = """
        import os, numpy as np, neatfool as nf
        from neatfool import _core
        pool, _ = _core.CppnGenomes.random(90, nf.Cppn(), outputs=1, keep_split=True, seed=5)
        def reproduce():
            species = _core.Species(2, nf.Neat())
            plan = species.reproduce(
                pool, np.array([50, 90], np.uint32), np.ones(90, np.float32), nf.Neat(),
                children=np.array([9, 9], np.uint32), seed=1, generation=1,
            )
            return [array.tobytes() for array in plan], species.json()
        before = reproduce()
        child = os.fork()
        if child == 0:
            os._exit(0 if reproduce() == before else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "0\n"


@pytest.mark.parametrize("threads", ["1", "2"])
def test_ctrl_c_ends_a_long_call_and_leaves_the_species_alone(threads):
    process = start(
        f"nf.set_threads({threads})",
        'print("ready", flush=True)',
        "try:",
        "    reproduce()",
        "except KeyboardInterrupt:",
        '    print("interrupted", species.json() == before, flush=True)',
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted True\n"
        assert time.monotonic() - pressed < 1
    finally:
        process.kill()
        process.communicate()


def test_a_timer_s_signal_ends_a_long_call():
    pool, species, before = genomes(3000), _core.Species(1, LONG), _core.Species(1, LONG).json()
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            reproduce(
                species,
                pool,
                ends=np.array([3000], np.uint32),
                fitness=np.ones(3000, np.float32),
                children=np.array([10], np.uint32),
                settings=LONG,
            )
    finally:
        signal.signal(signal.SIGINT, old)
        timer.join()
    assert time.monotonic() - began < 3
    assert species.json() == before


def test_other_threads_go_on_meanwhile():
    process = start(
        "nf.set_threads(1)",
        "count = 0",
        "def work():",
        "    global count",
        "    end = time.monotonic() + 0.5",
        "    while time.monotonic() < end:",
        "        count += 1",
        "        time.sleep(0.001)",
        "    signal.raise_signal(signal.SIGINT)",
        "thread = threading.Thread(target=work)",
        "thread.start()",
        "try:",
        "    reproduce()",
        "except KeyboardInterrupt:",
        "    thread.join()",
        "    print(count, flush=True)",
    )
    out, _ = process.communicate(timeout=60)
    assert int(out) > 20
