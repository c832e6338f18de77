"""The contact sheet."""

from pathlib import Path

import numpy as np
import pytest
from example_runs import make_run
from PIL import Image

from neatfool.errors import RunError
from neatfool.report import write_gallery
from neatfool.runs import RunFolder

DIGITS = [f"digit {index}" for index in range(10)]


def sheet(run: RunFolder) -> np.ndarray:
    write_gallery(run, run.path / "gallery.png")
    with Image.open(run.path / "gallery.png") as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def test_ten_small_images_are_enlarged_in_two_rows_of_five(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=DIGITS, shape=(3, 28, 28))
    # Pure greens, which neither background nor text contain.
    for index in range(10):
        pixels = np.zeros((3, 28, 28), np.uint8)
        pixels[1] = 100 + 10 * index
        run.write_images({index: pixels})
    picture = sheet(run)
    corners = []
    for index in range(10):
        rows, columns = np.nonzero((picture == (0, 100 + 10 * index, 0)).all(-1))
        assert len(rows) == 224 * 224
        assert np.ptp(rows) == np.ptp(columns) == 223
        corners.append((int(rows[0]), int(columns[0])))
    assert corners == sorted(corners)
    assert len({row for row, _ in corners}) == 2
    assert len({column for _, column in corners}) == 5


def test_enlargement_does_not_smooth(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=["only"], shape=(3, 28, 28))
    board = np.zeros((3, 28, 28), np.uint8)
    board[1] = np.indices((28, 28)).sum(0) % 2 * 255
    run.write_images({0: board})
    assert (sheet(run) == (0, 255, 0)).all(-1).sum() == 224 * 224 // 2


def test_large_images_become_thumbnails(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=[f"class {n}" for n in range(101)], shape=(3, 100, 60), generations=2)
    height, width, _ = sheet(run).shape
    assert width < 40 * 100
    assert height < width


def test_names_pillow_cannot_draw_and_missing_images_do_no_harm(tmp_path: Path) -> None:
    names = ["", "日本語", "naïve café", "x" * 900, "line\nbreak\0"]
    run = make_run(tmp_path / "run", class_names=names, images=False, model="модель")
    assert sheet(run).shape[2] == 3


def test_a_run_without_elites_has_no_gallery(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=DIGITS)
    (run.path / "checkpoint" / "state.safetensors").unlink()
    with pytest.raises(RunError, match="has no images yet"):
        write_gallery(run, tmp_path / "gallery.png")
    assert not (tmp_path / "gallery.png").exists()


@pytest.mark.slow
def test_a_thousand_noisy_images_fit_six_megabytes(tmp_path: Path) -> None:
    names = [f"class {index}" for index in range(1000)]
    run = make_run(tmp_path / "run", class_names=names, shape=(3, 224, 224), noise=1, generations=5)
    write_gallery(run, tmp_path / "gallery.png")
    assert (tmp_path / "gallery.png").stat().st_size < 6 * 2**20
