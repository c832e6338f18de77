"""Films of how an elite came about."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neatfool as nf
from neatfool.cli import run as command
from neatfool.search import draw_elite, replay_ancestors


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film") / "run"
    nf.evolve("lenet-mnist", generations=12, batch=30, seed=1, out=folder)
    return folder


def frames_of(path: Path) -> tuple[list[np.ndarray], int]:
    """The frames of a film, float, and its length in milliseconds."""
    with Image.open(path) as film:
        frames, duration = [], 0
        for place in range(film.n_frames):
            film.seek(place)
            frames.append(np.asarray(film.convert("L"), np.float64))
            duration += film.info["duration"]
    return frames, duration


def drawn(run: Path, class_index: int, size: int) -> np.ndarray:
    _, picture = draw_elite(nf.RunFolder.open(run), str(class_index), size=size)
    return np.asarray(picture, np.float64)


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_a_film_begins_with_the_random_start_and_ends_with_the_elite(run: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"film.{suffix}"
    film = nf.animate(run, "3", out=out, size=56, seconds=2, fps=10)
    frames, duration = frames_of(out)
    assert {frame.shape for frame in frames} == {(56, 56)}
    assert duration == pytest.approx(2000, abs=200)
    assert np.abs(frames[-1] - drawn(run, 3, 56)).mean() < 6
    ancestors = replay_ancestors(nf.RunFolder.open(run), [3])
    line = ancestors.line(3)
    assert film.ancestors == len(line)
    first = np.empty((1, 1, 56, 56), np.uint8)
    ancestors.genomes(line).take(np.array([0])).render(first)
    assert np.abs(frames[0] - first[0, 0]).mean() < 6
    with Image.open(out) as picture:
        assert picture.info["loop"] == 0


def test_the_command_says_what_it_wrote(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "three.webp"
    words = [
        "animate",
        str(run),
        "-c",
        "3",
        "--size",
        "32",
        "--seconds",
        "1",
        "--fps",
        "5",
        "--out",
        str(out),
        "--json",
    ]
    assert command(words) == 0
    assert json.loads(capsys.readouterr().out)["out"] == str(out)
    assert out.stat().st_size > 100


def test_mp4(run: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    nf.animate(run, "3", out=tmp_path / "film.mp4", size=64, seconds=1, fps=10)
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert len(list(container.decode(video=0))) == pytest.approx(10, abs=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-c", "3", "--out", "film.avi"], ".webp"),
        (["-c", "eleven", "--out", "film.webp"], "eleven"),
        (["-c", "3", "--out", "absent/film.webp"], "absent"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    run: Path,
    tmp_path: Path,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(["animate", str(run), "--size", "32", "--seconds", "1", *words]) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_neat_has_no_film(tmp_path: Path) -> None:
    nf.evolve("lenet-mnist", strategy="neat", generations=1, batch=40, out=tmp_path / "neat")
    with pytest.raises(nf.RunError, match="neat"):
        nf.animate(tmp_path / "neat", "3", out=tmp_path / "film.webp")
