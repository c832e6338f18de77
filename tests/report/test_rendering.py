"""Pictures of any size, written strip by strip."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neatfool as nf
from neatfool.cli import run as command
from neatfool.report import render_elite
from neatfool.report.strips import check_format, write_strips


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("render") / "run"
    judge = nf.FunctionJudge(lambda images: np.zeros((len(images), 2)), image_shape=(3, 12, 20), classes=["a", "b"])
    nf.evolve(judge, generations=1, batch=10, out=path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.array(file)


def exact(folder: Path, size: tuple[int, int]) -> np.ndarray:
    out = np.empty((1, 3, *size), np.uint8)
    nf.search.load_search(nf.RunFolder.open(folder))[1].archive.genomes.take(np.array([1])).render(out)
    return out[0].transpose(1, 2, 0)


def test_png_is_the_picture_to_the_byte(folder: Path, tmp_path: Path) -> None:
    render_elite(folder, "b", out=tmp_path / "b.png", size=1500)
    assert np.array_equal(pixels(tmp_path / "b.png"), exact(folder, (1500, 2500)))


@pytest.mark.parametrize("suffix", ["webp", "jpg", "jpeg", "JPG"])
def test_other_formats_are_nearly_the_picture(folder: Path, tmp_path: Path, suffix: str) -> None:
    render_elite(folder, "b", out=tmp_path / f"b.{suffix}", size=300)
    found = pixels(tmp_path / f"b.{suffix}").astype(float)
    assert np.abs(found - exact(folder, (300, 500))).mean() < 4


def test_supersampling_smooths(folder: Path, tmp_path: Path) -> None:
    words = ["render", str(folder), "-c", "b", "--size", "60", "--supersample", "3", "--out", str(tmp_path / "b.png")]
    assert command(words) == 0
    means = exact(folder, (180, 300)).astype(float).reshape(60, 3, 100, 3, 3).mean(axis=(1, 3))
    assert np.array_equal(pixels(tmp_path / "b.png"), np.floor(means + 0.5))


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3)])
@pytest.mark.parametrize("heights", [[7], [1] * 7, [3, 4]])
def test_strips_make_up_the_picture(tmp_path: Path, shape: tuple[int, ...], heights: list[int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    strips = np.split(picture, np.cumsum(heights)[:-1])
    write_strips(tmp_path / "a.png", (7, 5), strips, note="as it is", dpi=300)
    with Image.open(tmp_path / "a.png") as file:
        assert np.array_equal(np.array(file), picture)
        assert file.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert file.info["neatfool"] == "as it is"


def test_a_picture_that_would_be_too_wide_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(nf.ConfigError, match=r"27307 x 16384 pixels is too large; choose a --size of at most 9830"):
        render_elite(folder, "a", out=tmp_path / "a.png", size=16384)
    with pytest.raises(nf.ConfigError, match=r"1 to 4 samples"):
        render_elite(folder, "a", out=tmp_path / "a.png", supersample=5)
    with pytest.raises(nf.ConfigError, match=r"16,383 pixels"):
        check_format(tmp_path / "a.webp", (16384, 10))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["RUN", "--out", "a.png"], "--class"),
        (["RUN", "-c", "c", "--out", "a.png"], "c"),
        (["RUN", "-c", "a", "--out", "a.svg"], "a.svg"),
        (["RUN", "-c", "a", "--out", "no/a.png"], "no/a.png"),
        (["nothing.png", "--out", "a.png"], "nothing.png"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    folder: Path,
    tmp_path: Path,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(["render", *(str(folder) if word == "RUN" else word for word in words)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_large_picture_takes_little_memory(folder: Path, tmp_path: Path) -> None:
    """16,384 x 9,830 pixels are 483 MB."""
    code = (
        "import resource, sys; from neatfool.report import render_elite\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"render_elite({str(folder)!r}, 'b', out={str(tmp_path / 'large.png')!r}, size=9830)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200 * 1024
