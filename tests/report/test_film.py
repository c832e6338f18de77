"""Films of how an elite came about."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neatfool as nf
from neatfool.cli import run as command
from neatfool.report import render_elite
from neatfool.report.film import draw_at
from neatfool.report.morphing import morph
from neatfool.search import replay_ancestors


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
    out = run.parent / "elite.png"
    render_elite(run, class_index, out=out, size=size)
    with Image.open(out) as picture:
        return np.asarray(picture, np.float64)


def ends(run: Path, class_index: int, size: int) -> np.ndarray:
    """The random ancestor of an elite and the elite, float (2, size, size)."""
    ancestors = replay_ancestors(nf.RunFolder.open(run), [class_index])
    line = ancestors.line(class_index)
    out = np.empty((2, 1, size, size), np.uint8)
    ancestors.genomes(line).take(np.array([0, len(line) - 1])).render(out)
    return out[:, 0].astype(np.float64)


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_a_film_begins_with_the_random_start_and_ends_with_the_elite(run: Path, tmp_path: Path, suffix: str) -> None:
    loss = 4
    change = [np.abs(np.diff(ends(run, index, 56), axis=0)).mean() for index in range(10)]
    moved = int(np.argmax(change))
    assert change[moved] > 20
    out = tmp_path / f"film.{suffix}"
    film = nf.animate(run, moved, out=out, size=56, seconds=2, fps=10)
    frames, duration = frames_of(out)
    assert {frame.shape for frame in frames} == {(56, 56)}
    assert (duration, film.seconds, film.size) == (2000, 2, (56, 56))
    # 1.33 s that move, at 10 frames a second, and the elite; both formats leave out frames like those before.
    assert film.frames == 14
    assert 2 < len(frames) <= 14
    assert film.ancestors == len(replay_ancestors(nf.RunFolder.open(run), [moved]).line(moved))
    first, last = ends(run, moved, 56)
    assert np.abs(frames[0] - first).mean() < loss
    assert np.abs(frames[-1] - last).mean() < loss
    assert np.abs(frames[-1] - drawn(run, moved, 56)).mean() < loss
    # In between it is neither.
    middle = frames[len(frames) // 2]
    assert min(np.abs(middle - first).mean(), np.abs(middle - last).mean()) > 0
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
        assert container.streams.video[0].average_rate == 10
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(64, 64)] * 10
    assert np.abs(frames[-1] - drawn(run, 3, 64)).mean() < 4


def test_mp4_without_pyav_is_one_sentence(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert command(["animate", str(run), "-c", "3", "--out", str(tmp_path / "film.mp4")]) == 2
    err = capsys.readouterr().err
    assert "pip install 'neatfool[film]'" in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16)])
def test_a_morph_begins_with_one_genome_and_ends_with_the_other(shape: tuple[int, int, int]) -> None:
    parents = nf.Cppn().start(4, shape=shape, seed=5)
    children = parents.vary(np.array([[row, row, 1] for row in range(4)], np.uint32), generation=1)
    children = children.vary(np.array([[row, row, 1] for row in range(4)], np.uint32), generation=2)
    both = parents.concatenate(children)
    for row in range(4):
        found = morph(both, row, 4 + row, np.array([0.0, 0.5, 1.0]))
        assert found is not None
        older, younger = (draw_at(side, (24, 24)).astype(int) for side in found)
        ends = draw_at(both.take(np.array([row, 4 + row])), (24, 24)).astype(int)
        assert np.abs(older[0] - ends[0]).max() <= 1
        assert np.abs(younger[2] - ends[1]).max() <= 1
        weights = [
            {gene["innovation"]: gene["weight"] * gene["enabled"] for gene in genome["connections"]}
            for genome in (both.describe(row), both.describe(4 + row), found[0].describe(1))
        ]
        for number, weight in weights[2].items():
            assert weight == pytest.approx((weights[0].get(number, 0) + weights[1].get(number, 0)) / 2, abs=1e-5)


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
    assert command(["animate", str(run), "--size", "32", "--seconds", "1", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_neat_has_no_film(tmp_path: Path) -> None:
    nf.evolve("lenet-mnist", strategy="neat", generations=1, batch=40, out=tmp_path / "neat")
    with pytest.raises(nf.RunError, match="neat"):
        nf.animate(tmp_path / "neat", "3", out=tmp_path / "film.webp")
