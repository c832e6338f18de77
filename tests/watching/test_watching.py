"""The page of a job while it goes on, and what TensorBoard reads."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

import neatfool as nf
from neatfool.cli import run as command
from neatfool.shared.progress import Progress
from neatfool.watching import LivePage


def get(address: str, path: str | None = None, *, host: str | None = None) -> tuple[int, bytes]:
    """Status and body of a request, with a Host header of one's own if wished."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.putrequest("GET", parts.path if path is None else path, skip_host=True)
    connection.putheader("Host", host or parts.netloc)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def state(page: LivePage, after: int = 0) -> dict[str, Any]:
    status, body = get(page.address, urlsplit(page.address).path + f"state?after={after}")
    assert status == 200
    answer: dict[str, Any] = json.loads(body)
    return answer


def test_only_who_knows_the_address_sees_the_page():
    with nf.live(title="</h1><script>") as page:
        parts = urlsplit(page.address)
        assert parts.hostname == "127.0.0.1"
        status, body = get(page.address)
        assert status == 200
        assert b"</h1><script>" not in body
        port = parts.port
        assert get(page.address, "/")[0] == get(page.address, "/state")[0] == 404
        assert get(page.address, parts.path[:-2] + "x/")[0] == 404
        assert get(page.address, parts.path + "../../etc/passwd")[0] == 404
        assert get(page.address, host=f"attacker.example:{port}") == (404, b"")
        assert get(page.address, host=f"localhost:{port}")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        get(page.address)


def test_the_page_follows_a_run_and_changes_nothing(tmp_path: Path):
    seen: list[dict[str, Any]] = []
    with nf.live(places=(tmp_path / "watched",)) as page:

        def told(now: Progress) -> None:
            page(now)
            seen.append(state(page, after=seen[-1]["change"] if seen else 0))

        watched = nf.evolve("lenet-mnist", generations=6, batch=20, seed=3, out=tmp_path / "watched", progress=told)
    alone = nf.evolve("lenet-mnist", generations=6, batch=20, seed=3, out=tmp_path / "alone")
    assert np.array_equal(watched.archive.confidence, alone.archive.confidence)
    for one in ("0", "7"):
        paths = [tmp_path / name / "images" / f"{one}.png" for name in ("watched", "alone")]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [one["done"] for one in seen] == sorted(one["done"] for one in seen)
    assert (seen[-1]["done"], seen[-1]["total"]) == (6, 6)
    assert seen[-1]["points"][-1][0] == 140
    assert seen[-1]["points"][-1][1] == pytest.approx(float(np.median(alone.archive.confidence)), abs=1e-6)
    classes = {tile["class"] for one in seen for tile in one["tiles"]}
    assert classes
    assert classes <= set(range(10))
    assert all(tile["picture"].startswith("data:image/") for one in seen for tile in one["tiles"])


def test_a_tab_left_open_is_told_of_the_end():
    page = nf.live(places=("runs/one",))
    page(Progress(task="evolving", done=3, total=3, unit="generations", metrics={}))
    assert state(page)["end"] is None
    begun = time.monotonic()
    ends: list[Any] = []

    def ask() -> None:
        while time.monotonic() < begun + 5 and not (ends and ends[-1]):
            try:
                ends.append(state(page)["end"])
            except OSError:
                return
            time.sleep(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    page.close()
    asking.join()
    assert ends[-1] is not None
    assert "runs/one" in ends[-1]


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ["evolve", "--generations", "1", "--out", str(tmp_path / "run"), "--live", "--port", str(port)]
        assert command(words) == 2
    assert "choose another --port" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert command(["evolve", "--generations", "1", "--port", "8000"]) == 2


def test_tensorboard_reads_the_numbers_and_a_resumed_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tmp_path / "run"
    words = ["evolve", "--generations", "5", "--batch", "20", "--out", str(out), "--tensorboard", "--live", "--json"]
    assert command(words) == 0
    assert "Watch it at http://127.0.0.1:" in capsys.readouterr().err
    with nf.tensorboard(out / "tensorboard") as board:
        nf.resume(out, generations=8, progress=board)
    events = accumulator.EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    median = {one.step: one.value for one in events.Scalars("median_confidence")}
    rows = nf.RunFolder.open(out).metrics()
    assert [row["generation"] for row in rows] == list(range(9))
    assert set(median) >= set(range(1, 9))
    for row in rows[1:]:
        assert median[row["generation"]] == pytest.approx(row["median_confidence"], abs=1e-6)
    assert events.Images("elites")


def test_without_tensorboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(nf.ConfigError, match=r"neatfool\[tensorboard\]"):
        nf.tensorboard(tmp_path)


def test_an_ascent_is_watched_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    words = ["ascend", "--classes", "0-2", "--steps", "5", "--out", str(out), "--live", "--json"]
    assert command(words) == 0
    printed, said = capsys.readouterr()
    assert "Watch it at http://127.0.0.1:" in said
    assert json.loads(printed)["classes"] == 3
    assert (out / "images/2.png").is_file()


def test_a_retraining_writes_a_step_a_round_for_tensorboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for label in range(10):
        (tmp_path / "data" / str(label)).mkdir(parents=True)
        for number in range(4):
            picture = np.full((28, 28), 20 * label + number, np.uint8)
            Image.fromarray(picture).save(tmp_path / "data" / str(label) / f"{number}.png")
    out = tmp_path / "run"
    small = ["--images-per-class", "1", "--generations", "1", "--batch", "10", "--epochs", "1"]
    words = ["retrain", "--data", str(tmp_path / "data"), "--rounds", "1", *small, "--out", str(out), "--tensorboard"]
    assert command([*words, "--json"]) == 0
    printed, said = capsys.readouterr()
    assert said.count("A round will take about") == 1
    rounds = json.loads(printed)["rounds"]
    events = accumulator.EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    errors = {one.step: one.value for one in events.Scalars("test_error")}
    assert errors == {one["round"]: pytest.approx(one["test_error"], abs=1e-6) for one in rounds}
    assert set(errors) == {0, 1}
    assert events.Images("elites")


def test_ctrl_c_under_a_live_page_writes_a_checkpoint(tmp_path: Path):
    out = tmp_path / "run"
    sizes = ["--generations", "1000000", "--batch", "10", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "neatfool", "evolve", *sizes, "--live"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if ": 0 of " in line:
                break
        address = next(line.split()[-1] for line in said if line.startswith("Watch it at "))
        assert get(address)[0] == 200
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=300)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert f"Continue with neatfool resume {out}" in rest
    folder = nf.RunFolder.open(out)
    done = folder.metrics()[-1]["generation"]
    assert nf.resume(out, generations=done + 1).generation == done + 1
