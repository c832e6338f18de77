"""Worker processes of a real Ray cluster on this machine: the same run, whoever works and whoever dies."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import neatfool as nf
from neatfool.cli import run as command_line

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'neatfool[ray]'")

# Workers are looked for among all processes of the machine: one process of pytest has all tests that start any.
pytestmark = pytest.mark.xdist_group("ray")

NETWORK = """
import torch
import neatfool as nf

class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.first = torch.nn.Parameter(torch.randn(3 * 64, 32, generator=g) / 4)
        self.second = torch.nn.Parameter(torch.randn(32, 4, generator=g))

    def forward(self, x):
        return torch.relu(x.flatten(1) @ self.first) @ self.second

def make(fault=False):
    network = Tiny()
    if fault:
        network.register_forward_pre_hook(lambda module, x: 1 / 0 if float(x[0].flatten(1).std(1).min()) == 0 else None)
    return nf.Classifier(network, input_size=8, chunk=4, name="tiny")
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The specification of a classifier in a file, which workers load by themselves."""
    path = tmp_path_factory.mktemp("model") / "tiny.py"
    path.write_text(NETWORK)
    return f"{path}:make"


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine with room for five workers, whatever it has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        # Ray lets everything else on the machine go first, which here are other tests.
        patch.setenv("RAY_worker_niceness", "0")
        ray.init(
            address="local",
            num_cpus=5,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=100 * 2**20,
        )
        yield
        ray.shutdown()


def worker_processes():
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::Worker"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


class Killer:
    """Kills workers at random moments while its block lasts, but never more than so many."""

    def __init__(self, most, *, seed, within):
        self.most, self.rng, self.within = most, random.Random(seed), within
        self.killed, self._over = [], threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def _kill(self):
        while len(self.killed) < self.most and not self._over.wait(self.rng.uniform(0, self.within)):
            if alive := [one for one in worker_processes() if one not in self.killed]:
                self.killed.append(self.rng.choice(alive))
                os.kill(self.killed[-1], signal.SIGKILL)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def content(folder):
    """What a run folder holds, times aside."""
    found = nf.RunFolder.open(folder)
    arrays, metadata = found.load_checkpoint()
    files = {path.name: path.read_bytes() for path in (folder / "images").iterdir()}
    files |= {name: (folder / name).read_bytes() for name in ("judgement.json", "config.toml")}
    manifest = {
        name: value for name, value in json.loads((folder / "manifest.json").read_text()).items() if name != "created"
    }
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in found.metrics()]
    metadata.pop("seconds")
    return {name: values.tobytes() for name, values in arrays.items()}, files, manifest, rows, metadata


SETTINGS = {"generations": 6, "batch": 37, "seed": 3}


@pytest.fixture(scope="module")
def here(model, tmp_path_factory):
    """The run as one process does it."""
    path = tmp_path_factory.mktemp("here") / "run"
    nf.evolve(model, out=path, **SETTINGS)
    return content(path)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(5, marks=pytest.mark.slow)]
)
def test_any_number_of_workers_makes_the_same_run(model, here, tmp_path, workers):
    with nf.RayJudge(model, workers=workers) as judge:
        run = nf.evolve(judge, out=tmp_path / "run", **SETTINGS)
    assert content(tmp_path / "run") == here
    # The run is against the classifier, and goes on without workers.
    assert isinstance(run.judge, nf.Classifier)
    assert run.noise == 0
    assert nf.resume(tmp_path / "run", generations=7).generation == 7


@pytest.mark.usefixtures("cluster")
def test_two_workers_are_killed_and_the_run_is_the_same(model, here, tmp_path):
    with nf.RayJudge(model, workers=2) as judge, Killer(2, seed=0, within=1.0) as killer:
        nf.evolve(judge, out=tmp_path / "run", **SETTINGS)
        long = nf.evolve(judge, generations=10**6, batch=37, stop=lambda: len(killer.killed) == 2)
    assert len(killer.killed) == 2
    assert content(tmp_path / "run") == here
    again = nf.evolve(model, generations=long.generation, batch=37)
    assert np.array_equal(again.archive.confidence, long.archive.confidence)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_twenty_times_two_workers_are_killed_at_random(model):
    with nf.RayJudge(model, workers=3) as judge:
        for seed in range(20):
            with Killer(2, seed=seed, within=1.0) as killer:
                run = nf.evolve(judge, generations=10**6, batch=37, seed=seed, stop=lambda: len(killer.killed) == 2)
            again = nf.evolve(model, generations=run.generation, batch=37, seed=seed)
            for name, values in run.search.arrays().items():
                assert np.array_equal(values, again.search.arrays()[name]), (seed, name)


@pytest.mark.usefixtures("cluster")
def test_a_model_that_fails_in_a_worker_says_so_and_keeps_the_images(model, tmp_path):
    faulty = f"{model}(fault=True)"
    with (
        nf.RayJudge(faulty, workers=1) as judge,
        pytest.raises(nf.JudgeError, match=r"tiny failed on a batch.*by zero"),
    ):
        nf.evolve(judge, batch=37, out=tmp_path / "run", allow_noise=True)  # black fills the last chunk up
    assert np.load(tmp_path / "run/failed_batch.npy").dtype == np.uint8


@pytest.mark.usefixtures("cluster")
def test_what_workers_cannot_do_is_one_sentence(model, capsys, tmp_path):
    base = ["evolve", "--model", model, "--generations", "1", "--out", str(tmp_path / "run")]
    for options, words in (
        (
            ["--workers", "auto", "--per-worker-gpus", "1"],
            "1 GPUs, but no machine of the Ray cluster has more than 5 cores and 0",
        ),
        (["--workers", "auto", "--per-worker-cpus", "6"], "to have 6 cores and 0 GPUs, but no machine"),
        (["--workers", "0"], "workers must be from 1 to 10,000, auto or HOST:PORT, not 0."),
        (
            ["--workers", "2", "--per-worker-gpus", "1.5"],
            "per_worker_gpus must be 0, a fraction of one, or a whole number",
        ),
        (["--per-worker-gpus", "1"], "--per-worker-gpus and --per-worker-cpus are of workers; pass --workers too."),
        (["--workers", "2", "--weights", "missing.pth"], "missing.pth"),
    ):
        assert command_line([*base, *options]) == 2, options
        error = capsys.readouterr().err
        assert words in error, error
        assert "Traceback" not in error
        assert not (tmp_path / "run").exists()
    with pytest.raises(nf.ConfigError, match=r"was made in this program.*package\.module:factory"):
        nf.RayJudge(nf.Classifier(nf.load_classifier(model).module, input_size=8), workers=1)
    with pytest.raises(nf.ConfigError, match="Workers without GPUs cannot run"):
        nf.RayJudge(nf.EvolveConfig(model={"name": model, "device": "cuda:0"}).model, workers=1)


@pytest.mark.slow
def test_machines_join_and_leave(model, here, tmp_path):
    from ray.cluster_utils import Cluster

    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        joined = [cluster.add_node(num_cpus=2)]
        seen = set()

        def change(progress):
            seen.add(len(judge._crew))
            if progress.done == 2:
                joined.append(cluster.add_node(num_cpus=1))
            if progress.done == 4:
                cluster.remove_node(joined[0])

        with nf.RayJudge(model, workers=cluster.address) as judge:
            # Those of the first machines are there at last, however busy this one is.
            begin = time.monotonic()
            while len(judge._crew) < 3 and time.monotonic() - begin < 300:
                nf.evolve(judge, generations=0, batch=37)
            nf.evolve(judge, out=tmp_path / "run", progress=change, **SETTINGS)
        assert content(tmp_path / "run") == here
        assert not ray.is_initialized()
        assert max(seen) > 2
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_a_killed_driver_is_resumed(model, tmp_path):
    arguments = ["evolve", "--model", model, "--batch", "37", "--seed", "3", "--quiet"]
    program = [sys.executable, "-m", "neatfool", *arguments]
    with subprocess.Popen(
        [*program, "--workers", "2", "--generations", "1000000", "--out", "killed"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    ) as driver:
        metrics, begin = tmp_path / "killed/metrics.jsonl", time.monotonic()
        while not (metrics.exists() and metrics.read_bytes().count(b"\n") > 5) and time.monotonic() - begin < 300:
            assert driver.poll() is None, driver.stderr.read()
            time.sleep(0.05)
        driver.kill()
    begin = time.monotonic()
    while worker_processes() and time.monotonic() - begin < 60:
        time.sleep(0.2)
    assert not worker_processes()
    done = nf.RunFolder.open(tmp_path / "killed").load_checkpoint(())[1]["generation"]
    target = str(int(done) + 3)
    resumed = ["resume", "killed", "--workers", "2", "--generations", target, "--quiet", "--trust"]
    subprocess.run([sys.executable, "-m", "neatfool", *resumed], cwd=tmp_path, check=True)
    subprocess.run([*program, "--generations", target, "--out", "whole"], cwd=tmp_path, check=True)
    # How many generations were asked for at first is all that differs.
    settings = tmp_path / "killed/config.toml"
    settings.write_text(settings.read_text().replace("generations = 1000000\n", f"generations = {target}\n"))
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
