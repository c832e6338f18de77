"""The one resumable job: whatever takes long stops, is killed, and goes on."""

import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

import neatfool as nf
from neatfool.runs import StopRequestedError, begin_folder, continue_folder, job, run_job
from neatfool.shared.progress import Progress

MANIFEST = {"command": "count", "model": "m", "class_names": ["a", "b"], "image_shape": (1, 4, 4)}


class Count:
    """Counts to ten, one a step."""

    def __init__(self, folder=None) -> None:
        self.folder = folder
        self.seconds = 0.0
        self.number = 0
        self.saves: list[int] = []
        self.written = 0

    @property
    def done(self) -> bool:
        return self.number == 10

    def step(self, progress, stop):
        if self.number == 7 and stop():
            raise StopRequestedError
        self.number += 1
        return {"generation": self.number}

    def progress(self):
        return Progress(task="counting", unit="numbers", done=self.number, total=10)

    def checkpoint(self):
        self.saves.append(self.number)
        return {"number": np.array([self.number])}, {"generation": str(self.number)}

    def write(self):
        self.written += 1


def test_the_first_step_and_the_end_are_saved_and_every_step_is_told(tmp_path):
    told: list[Progress] = []
    with begin_folder(tmp_path / "run", config={}, manifest=MANIFEST) as folder:
        count = Count(folder)
        run_job(count, progress=told.append)
    assert count.saves == [0, 1, 10] and count.written == 1
    assert [now.done for now in told] == list(range(1, 11))
    rows = folder.metrics()
    assert [row["generation"] for row in rows] == list(range(1, 11))
    assert all(row["seconds"] >= 0 for row in rows)
    assert folder.load_checkpoint()[0]["number"].tolist() == [10]


def test_checkpoints_are_timed(tmp_path, monkeypatch):
    now = iter(np.arange(0, 10_000, 25.0))
    monkeypatch.setattr(job.time, "perf_counter", lambda: float(next(now)))
    with begin_folder(tmp_path / "run", config={}, manifest=MANIFEST) as folder:
        count = Count(folder)
        run_job(count)
    gaps = np.diff(count.saves[1:])
    assert count.saves[:2] == [0, 1] and count.saves[-1] == 10
    assert (gaps[:-1] >= 2).all() and (gaps <= 3).all()  # about a minute apart, steps taking 25 seconds


def test_stop_before_a_step_and_within_one(tmp_path):
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 8

    count = Count()
    run_job(count, stop=stop)
    assert count.number == 7  # the eighth step was asked within, and left
    with begin_folder(tmp_path / "run", config={}, manifest=MANIFEST) as folder:
        stopped = Count(folder)
        run_job(stopped, stop=lambda: stopped.number >= 3)
    assert folder.load_checkpoint()[0]["number"].tolist() == [3]


def test_nothing_is_written_where_nothing_was_done(tmp_path):
    with begin_folder(tmp_path / "run", config={}, manifest=MANIFEST) as folder:
        run_job(Count(folder))
    before = (tmp_path / "run/checkpoint/state.safetensors").stat().st_mtime_ns
    done = Count(folder)
    done.number = 10
    with continue_folder(folder, "count"):
        run_job(done)
    assert (tmp_path / "run/checkpoint/state.safetensors").stat().st_mtime_ns == before
    assert done.written == 1


def test_a_folder_of_another_command_is_refused(tmp_path):
    with begin_folder(tmp_path / "run", config={}, manifest=MANIFEST) as folder:
        pass
    refused = pytest.raises(nf.RunError, match="was made by `neatfool count`, not by `neatfool evolve`")
    with refused, continue_folder(folder, "evolve"):
        pass
    with pytest.raises(nf.RunError, match="cannot be continued"):
        nf.resume(tmp_path / "run")


def brightness(images):
    flat = images.reshape(len(images), -1) / 255
    return np.stack([flat.mean(1), flat.std(1), 1 - flat.mean(1)], 1)


JUDGE = nf.FunctionJudge(brightness, image_shape=(1, 6, 6), classes=["light", "busy", "dark"])
OPTIONS = {"batch": 20, "seed": 4}


def evolve_into(path) -> None:
    os.setpgrp()
    nf.evolve(JUDGE, generations=10**6, out=path, **OPTIONS)


@pytest.mark.parametrize("moment", ["as soon as there is a manifest", "once there is a checkpoint"])
def test_a_killed_run_goes_on_with_the_same_bytes(tmp_path, moment):
    child = multiprocessing.get_context("spawn").Process(target=evolve_into, args=(tmp_path / "run",))
    child.start()
    sign = "manifest.json" if "manifest" in moment else "checkpoint/state.safetensors"
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / sign).exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    folder = nf.RunFolder.open(tmp_path / "run")
    done = int(folder.load_checkpoint(())[1]["generation"]) if folder.has_checkpoint else 0
    resumed = nf.resume(folder, generations=done + 5, judge=JUDGE)
    whole = nf.evolve(JUDGE, generations=done + 5, **OPTIONS)
    assert np.array_equal(resumed.archive.pixels(), whole.archive.pixels())
    assert [row["generation"] for row in folder.metrics()] == list(range(done + 6))


def test_a_folder_without_a_checkpoint_begins_again_in_place(tmp_path):
    first = nf.evolve(JUDGE, generations=3, out=tmp_path / "run", **OPTIONS)
    (tmp_path / "run/checkpoint/state.safetensors").unlink()
    again = nf.resume(tmp_path / "run", judge=JUDGE)
    assert again.generation == 3
    assert np.array_equal(first.archive.pixels(), again.archive.pixels())


def test_what_a_killed_create_leaves_is_used_again(tmp_path):
    nf.evolve(JUDGE, generations=1, out=tmp_path / "run", **OPTIONS)
    for name in (
        "manifest.json",
        "metrics.jsonl",
        "checkpoint/state.safetensors",
        "judgement.json",
        ".lock",
        ".holder",
    ):
        (tmp_path / "run" / name).unlink(missing_ok=True)
    for image in (tmp_path / "run/images").iterdir():
        image.unlink()
    assert nf.evolve(JUDGE, generations=2, out=tmp_path / "run", **OPTIONS).generation == 2


def test_a_further_target_is_remembered(tmp_path):
    nf.evolve(JUDGE, generations=2, out=tmp_path / "run", **OPTIONS)
    seen: list[Progress] = []
    nf.resume(tmp_path / "run", generations=9, judge=JUDGE, progress=seen.append, stop=lambda: len(seen) == 3)
    assert nf.resume(tmp_path / "run", judge=JUDGE).generation == 9


def test_advance_waits_for_no_lock_and_takes_none_that_is_held(tmp_path):
    run = nf.evolve(JUDGE, generations=2, out=tmp_path / "run", **OPTIONS)
    run.advance(4)
    assert nf.RunFolder.open(tmp_path / "run").load_checkpoint(())[1]["generation"] == "4"
    with nf.RunFolder.open(tmp_path / "run").lock():
        before = (tmp_path / "run/metrics.jsonl").read_bytes()
        with pytest.raises(nf.RunError, match="being written by process"):
            run.advance(6)
        assert (tmp_path / "run/metrics.jsonl").read_bytes() == before
    nf.resume(tmp_path / "run", generations=5, judge=JUDGE)
    with pytest.raises(nf.RunError, match="continued by another process"):
        run.advance(8)


def test_everything_is_checked_before_there_is_a_folder(tmp_path):
    attempts = {
        "classes": lambda out: nf.evolve(JUDGE, classes="9", out=out),
        "strategy": lambda out: nf.evolve(JUDGE, strategy="neat", batch=3, out=out),
        "seed": lambda out: nf.evolve(JUDGE, seed=-1, out=out),
        "ascent": lambda out: nf.ascend("lenet-mnist", classes=[], out=out),
        "ascent seed": lambda out: nf.ascend("lenet-mnist", classes=0, seed=-1, out=out),
        "retrain": lambda out: nf.retrain("density-mnist", tmp_path, rounds=1, out=out),
        "reproduce": lambda out: nf.reproduce("mnist", data=tmp_path, out=out, rows=[99]),
        "hypothesis": lambda out: nf.hypothesis(data=tmp_path, out=out),
    }
    for name, attempt in attempts.items():
        out = tmp_path / name.replace(" ", "-")
        with pytest.raises(nf.NeatfoolError):
            attempt(out)
        assert not out.exists(), name


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("archive.classes", lambda a: a + 1, "classes"),
        ("archive.classes", lambda a: a[[0, 0, 2]], "classes"),
        ("archive.id", lambda a: a + 10**6, "lineage lacks"),
        ("archive.confidence", lambda a: a * np.float32(np.nan), "no number"),
        ("lineage", lambda a: np.concatenate([a[:-1], a[-1:, [0, 0, 2, 3, 4]]]), "contradicts itself"),
        ("lineage", lambda a: a[::-1].copy(), "contradicts itself"),
        ("lineage", lambda a: a + np.array([0, 0, 0, 0, 50]), "contradicts itself"),
        ("lineage", lambda a: a + np.array([0, 0, 0, 500, 0]), "contradicts itself"),
        ("lineage", lambda a: a[1:], "lineage"),
    ],
)
def test_a_checkpoint_that_contradicts_itself_is_refused_in_one_sentence(tmp_path, name, damage, words):
    nf.evolve(JUDGE, generations=6, out=tmp_path / "run", **OPTIONS)
    folder = nf.RunFolder.open(tmp_path / "run")
    arrays, metadata = folder.load_checkpoint()
    folder.save_checkpoint(arrays | {name: damage(arrays[name])}, metadata)
    with pytest.raises(nf.RunError, match=words) as error:
        nf.resume(tmp_path / "run", generations=7, judge=JUDGE)
    assert "\n" not in str(error.value)


def test_a_dropped_cell_is_refused(tmp_path):
    nf.evolve(JUDGE, generations=2, out=tmp_path / "run", **OPTIONS)
    folder = nf.RunFolder.open(tmp_path / "run")
    _, metadata = folder.load_checkpoint()
    search = nf.Search(JUDGE.image_shape, JUDGE.class_names, cells=[0, 1], **OPTIONS)
    search.ask()
    search.tell(brightness(search.ask()))
    folder.save_checkpoint(search.arrays(), {**metadata, "generation": "0", "evaluations": "20"})
    with pytest.raises(nf.RunError, match="not those that the run evolves for"):
        nf.resume(folder, judge=JUDGE)


@pytest.mark.parametrize("content", [None, b"", b"{}\n", b'{"generation": "x"}\n[1]\n'.replace(b"[1]\n", b"")])
def test_metrics_that_are_gone_cost_nothing_but_the_chart(tmp_path, content):
    nf.evolve(JUDGE, generations=2, out=tmp_path / "run", **OPTIONS)
    path = tmp_path / "run/metrics.jsonl"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    nf.write_report([nf.RunFolder.open(tmp_path / "run")], tmp_path / "report.html")
    run = nf.resume(tmp_path / "run", generations=4, judge=JUDGE)
    assert run.generation == 4 and run.summary()["evaluations"] == 20 + 4 * 20
    json.dumps(run.summary())
