"""The contact sheet."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from example_runs import make_run
from PIL import Image

from neatfool.errors import RunError
from neatfool.figures.tiles import TEXT
from neatfool.report import write_gallery
from neatfool.report.gallery import EMPTY, MARKED
from neatfool.runs import Judgement, RunFolder

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


def judged(run: RunFolder, confidence: list[float], on_top: list[int]) -> None:
    """Gives the elites these confidences, and a judgement in which these classes are on top of them, surely."""
    classes = len(confidence)
    arrays, metadata = run.load_checkpoint()
    run.save_checkpoint({**arrays, "archive.confidence": np.array(confidence, np.float32)}, metadata)
    scores = np.zeros((classes, classes), np.float32)
    scores[np.arange(classes), on_top] = [
        sure if index == top else 1 - sure for index, (sure, top) in enumerate(zip(confidence, on_top, strict=True))
    ]
    run.save_judgement(Judgement.of(np.arange(classes), scores))


def test_fooled_classes_come_first_and_what_is_taken_for_another_class_last_and_marked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=[f"class {index}" for index in range(12)], shape=(3, 28, 28))
    for index in range(12):
        pixels = np.zeros((3, 28, 28), np.uint8)
        pixels[1] = 100 + 10 * index
        run.write_images({index: pixels})
    confidence = [0.2, 0.99, 0.7, 1.0, 0.999, *[0.995] * 7]
    own = list(range(12))
    judged(run, confidence, own)
    picture = sheet(run)
    assert not (picture == MARKED).all(-1).any()
    judged(run, confidence, [5, *own[1:4], 5, *own[5:]])
    picture = sheet(run)
    greens = [picture[np.nonzero((picture == (0, 100 + 10 * index, 0)).all(-1))][0][1] for index in own]
    assert greens == [100 + 10 * index for index in own]
    corners = {index: np.argwhere((picture == (0, 100 + 10 * index, 0)).all(-1))[0].tolist() for index in own}
    assert sorted(own, key=corners.get) == [3, 5, 6, 7, 8, 9, 10, 11, 1, 2, 4, 0]
    marks = np.argwhere((picture == MARKED).all(-1))
    # Below the last two tiles and nowhere else.
    assert marks[:, 0].min() > corners[4][0] + 112
    assert marks[:, 1].min() >= min(corners[4][1], corners[0][1])
    assert len({int(column) // 128 for column in marks[:, 1] - marks[:, 1].min()}) <= 2


def test_few_images_stay_in_the_order_of_their_classes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=DIGITS, images=False)
    judged(run, [0.1, *[0.99] * 9], [3, *range(1, 10)])
    picture = sheet(run)
    marks = np.argwhere((picture == MARKED).all(-1))
    assert len(marks) and marks[:, 1].max() < picture.shape[1] // 5 + 24


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


def labels(tmp_path: Path, *names: str) -> list[np.ndarray]:
    """What stands in the line of each tile's name, on a sheet of such classes without images."""
    run = make_run(tmp_path / "run", class_names=names, images=False, generations=0)
    picture = sheet(run)
    shutil.rmtree(run.path)
    rows, columns = np.nonzero((picture == EMPTY).all(-1))
    bottom, filled = int(rows.max()), np.unique(columns)
    left = filled[np.diff(filled, prepend=-2) > 1]
    assert len(left) == len(names)
    return [picture[bottom + 1 : bottom + 1 + 28, start : start + 224] for start in left]


def test_names_that_the_font_lacks_are_spelt_or_replaced_legibly(tmp_path: Path) -> None:
    accented, foreign, empty, torn = labels(tmp_path, "naïve café", "日本語", "", "line\nbreak\0")
    plain, first, second, whole = labels(tmp_path, "naive cafe", "class 1", "class 2", "linebreak")
    for drawn, wanted in ((accented, plain), (foreign, first), (empty, second), (torn, whole)):
        np.testing.assert_array_equal(drawn, wanted)
        assert (drawn == TEXT).all(-1).sum() > 20
    assert not np.array_equal(first, second)


def test_a_long_name_ends_at_its_tile_with_an_ellipsis(tmp_path: Path) -> None:
    long, short, cut = labels(tmp_path, "x" * 900, "x", "x" * 200)
    np.testing.assert_array_equal(long, cut)
    ink = np.nonzero((long > 100).any((0, 2)))[0]
    assert 200 < ink.max() < 224
    assert not np.array_equal(long, short)


def test_a_model_name_that_the_font_lacks_and_missing_images_do_no_harm(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=DIGITS, images=False, model="модель")
    assert (sheet(run) == EMPTY).all(-1).sum() == 10 * 224 * 224


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
