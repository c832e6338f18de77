"""The elites of a run on one page."""

import json
from pathlib import Path

import numpy as np
import pytest
from example_runs import make_run
from PIL import Image

import neatfool as nf
from neatfool.cli import run as command
from neatfool.report import PictureFile, render_elite

COLOURS = [(200, 10, 10), (10, 200, 10), (10, 10, 200), (200, 200, 10), (10, 200, 200), (200, 10, 200), (90, 90, 90)]
NAMES = ["ash", "beech", "cedar", "date", "elm", "fir", "gum"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> nf.RunFolder:
    """A run whose images have one colour each."""
    folder = make_run(tmp_path_factory.mktemp("poster") / "run", class_names=NAMES, shape=(3, 8, 10))
    tile = np.ones((1, 8, 10), np.uint8)
    folder.write_images({row: np.array(one, np.uint8)[:, None, None] * tile for row, one in enumerate(COLOURS)})
    sure = np.array([elite.confidence for elite in folder.elites()], np.float32)
    # The elite of the first class is taken for the last one.
    top = np.array([[row, *(other for other in range(7) if other != row)][:5] for row in range(7)])
    top[0] = [6, 0, 1, 2, 3]
    confidences = np.stack([sure, *[np.zeros(7, np.float32)] * 4], axis=1)
    folder.save_judgement(nf.Judgement(np.arange(7), top, confidences))
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("poster") / "digits"
    nf.evolve("lenet-mnist", generations=5, batch=30, seed=2, out=path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.array(file)


def places(page: np.ndarray) -> dict[int, tuple[int, int, int, int]]:
    """Left, top, width and height of the images of one colour each, by class; what there is of them is one rectangle."""
    found = {}
    for row, colour in enumerate(COLOURS):
        down, across = np.nonzero((page == colour).all(axis=2))
        if len(down) > 100:
            width, height = np.ptp(across) + 1, np.ptp(down) + 1
            assert width * height == len(down)
            found[row] = (across.min(), down.min(), width, height)
    return found


def test_images_stand_in_rows_the_fooled_and_surest_first(plain: nf.RunFolder, tmp_path: Path) -> None:
    made = nf.poster(plain, out=tmp_path / "p.png", size="900x1400", columns=3)
    sure = [elite.confidence for elite in plain.elites()]
    fooled = [row for row in range(1, 7) if sure[row] >= 0.99]
    others = [row for row in range(1, 7) if sure[row] < 0.99]
    by_confidence = lambda rows: sorted(rows, key=lambda row: -sure[row])  # noqa: E731
    assert list(made.classes) == [*by_confidence(fooled), *by_confidence(others), 0]
    assert (made.columns, made.size) == (3, (900, 1400))
    page = pixels(tmp_path / "p.png")
    assert page.shape == (1400, 900, 3)
    found = places(page)
    assert sorted(found, key=lambda row: (found[row][1], found[row][0])) == list(made.classes)
    assert len({box[2:] for box in found.values()}) == 1
    _, _, width, height = found[0]
    assert height == pytest.approx(width * 8 / 10, abs=1)
    assert len({left for left, *_ in found.values()}) == 3
    # Below each image something is written, and nothing over the edge.
    for left, top, width, height in found.values():
        below = page[top + height + 5 : top + height + 40, left : left + width]
        assert (below.astype(int).sum(axis=2) < 600).sum() > 30
    edge = np.ones(page.shape[:2], bool)
    edge[20:-20, 20:-20] = False
    assert len(np.unique(page[edge], axis=0)) == 1


def test_what_does_not_fit_is_left_out(plain: nf.RunFolder, tmp_path: Path) -> None:
    made = nf.poster(plain, out=tmp_path / "p.png", size="900x600", columns=3)
    assert len(made.classes) == 3
    assert sorted(places(pixels(tmp_path / "p.png"))) == sorted(made.classes)
    assert len(nf.poster(plain, out=tmp_path / "p.png", size="900x600").classes) == 7


@pytest.mark.parametrize(
    ("size", "dpi", "pixels_"), [("A4", 100, (827, 1169)), ("a3", 50, (585, 827)), ("640x480", 72, (640, 480))]
)
def test_sizes_of_paper(plain: nf.RunFolder, tmp_path: Path, size: str, dpi: int, pixels_: tuple[int, int]) -> None:
    assert nf.poster(plain, out=tmp_path / "p.png", size=size, dpi=dpi).size == pixels_
    with Image.open(tmp_path / "p.png") as file:
        assert file.size == pixels_
        assert file.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)
        assert "neatfool" not in file.info  # there are no genomes to carry


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_poster_carries_its_genomes(digits: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    made = nf.poster(digits, out=path, size="a4", dpi=40)
    assert len(made.classes) == 10
    assert tuple(elite.class_index for elite in PictureFile.open(path).note.elites) == made.classes
    render_elite(path, made.classes[4], out=tmp_path / "one.png", size=300)
    render_elite(digits, made.classes[4], out=tmp_path / "same.png", size=300)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "same.png").read_bytes()
    with pytest.raises(nf.ModelError, match="10 images"):
        render_elite(path, out=tmp_path / "one.png")
    with pytest.raises(nf.ModelError, match="no image of class 11"):
        render_elite(path, "11", out=tmp_path / "one.png")


def test_images_are_drawn_at_full_resolution(digits: Path, tmp_path: Path) -> None:
    """The largest image stands on the page pixel for pixel as `render` draws it."""
    made = nf.poster(digits, out=tmp_path / "p.png", size="700x1000", columns=1)
    page = pixels(tmp_path / "p.png")
    for side in range(598, 606):
        render_elite(digits, made.classes[0], out=tmp_path / "one.png", size=side, supersample=2)
        one = pixels(tmp_path / "one.png")
        middle = page[:, 350]
        column = one[:, 350 - round((700 - side) / 2)]
        if any(np.array_equal(middle[top : top + side, 0], column) for top in range(len(middle) - side)):
            return
    pytest.fail("the image is not on the page")


def test_the_same_run_gives_the_same_bytes(digits: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        nf.poster(digits, out=tmp_path / name, size="400x600")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_command(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p.png"
    words = ["poster", str(digits), "--cols", "5", "--size", "600x500", "--out", str(out)]
    assert command([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["run"], said["columns"], said["size"], said["out"]) == (str(digits), 5, [600, 500], str(out))
    assert command([*words, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert command(["inspect", str(out)]) == 0
    assert "lenet-mnist" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "a9"], "a9"),
        (["--size", "10x10"], "pixels a side"),
        (["--size", "20000x500"], "20,000"),
        (["--size", "a1", "--dpi", "1200"], "--dpi"),
        (["--cols", "999"], "columns"),
        (["--out", "p.pdf"], "p.pdf"),
        (["--out", "no/p.png"], "no/p.png"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    digits: Path,
    tmp_path: Path,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    out = [] if "--out" in words else ["--out", "p.png"]
    assert command(["poster", str(digits), *out, *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_images_has_no_poster(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", class_names=["a"])
    (folder.path / "checkpoint/state.safetensors").unlink()
    with pytest.raises(nf.RunError, match="no images yet"):
        nf.poster(tmp_path / "run", out=tmp_path / "p.png")
