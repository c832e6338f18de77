"""What a judge says of the elites at the end of a run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import neatfool as nf
from neatfool.runs import FOOLED, Judgement, Tally, verdicts
from neatfool.runs.judgement import read_judgement, write_judgement

SHAPE = (1, 6, 6)


def corners(images: np.ndarray) -> np.ndarray:
    """Seven classes: how bright each third of the first two rows is, and what is left."""
    parts = images[:, 0, :2].reshape(len(images), 6, 2).mean(2) / 255 / 6
    return np.column_stack([parts, 1 - parts.sum(1)])


def judge() -> nf.FunctionJudge:
    return nf.FunctionJudge(corners, image_shape=SHAPE, classes=7, name="a judge")


@pytest.fixture
def run(tmp_path: Path) -> nf.Run:
    return nf.evolve(judge(), classes="6,1-3", generations=3, batch=8, out=tmp_path / "run")


def test_a_finished_run_says_what_its_elites_are_judged_to_be(run: nf.Run) -> None:
    judgement = run.folder.judgement()
    assert judgement.classes.tolist() == [1, 2, 3, 6]
    assert judgement.top_classes.shape == judgement.top_confidences.shape == (4, 5)
    assert (judgement.top_classes.dtype, judgement.top_confidences.dtype) == (np.int64, np.float32)
    for elite in run.folder.elites():
        scores = corners(elite.pixels[None])[0].astype(np.float32)
        top = judgement.top(elite.class_index)
        assert [share for _, share in top] == sorted(scores.tolist(), reverse=True)[:5]
        assert all(scores[index] == np.float32(share) for index, share in top)
        assert len({index for index, _ in top}) == 5
    for name in ("classes", "top_classes", "top_confidences"):
        assert np.array_equal(getattr(run.judgement, name), getattr(judgement, name))
    assert judgement.top(0) == judgement.top(5) == []


def test_a_run_that_was_stopped_has_none_until_it_ends(tmp_path: Path) -> None:
    whole = nf.evolve(judge(), generations=4, batch=8, out=tmp_path / "whole")
    asked = iter([False, True])
    stopped = nf.evolve(judge(), generations=4, batch=8, out=tmp_path / "run", stop=lambda: next(asked))
    assert stopped.judgement is stopped.folder.judgement() is None
    nf.resume(tmp_path / "run", judge=judge())
    file = tmp_path / "run/judgement.json"
    assert file.read_bytes() == (whole.folder.path / "judgement.json").read_bytes()
    # It goes on: what was said of the old elites would be false of the new ones.
    on = nf.resume(tmp_path / "run", generations=9, judge=judge(), stop=lambda: True)
    assert on.judgement is None and not file.exists()
    on.advance(6)
    assert file.exists() and on.judgement is not None


def test_older_folders_have_none() -> None:
    assert nf.RunFolder.open(Path(__file__).parent / "schema_2/cppn").judgement() is None


@pytest.mark.parametrize("stop_after", [0, 30])
def test_an_ascent_says_it_too_whatever_interrupted_it(tmp_path: Path, stop_after: int) -> None:
    from neatfool.experiments.ascent import AscentSettings, ascend, resume_ascent

    settings = AscentSettings(batch=3, steps=20, all_steps=True)
    whole = ascend("lenet-mnist", classes="7,0-5", settings=settings, out=tmp_path / "whole")
    asked = iter(range(10**6))
    stopped = ascend(
        "lenet-mnist", classes="7,0-5", settings=settings, out=tmp_path / "run", stop=lambda: next(asked) > stop_after
    )
    assert stopped.judgement is stopped.folder.judgement() is None
    resume_ascent(tmp_path / "run")
    written = [(tmp_path / name / "judgement.json").read_bytes() for name in ("whole", "run")]
    assert written[0] == written[1]
    judgement = whole.folder.judgement()
    assert judgement.classes.tolist() == [0, 1, 2, 3, 4, 5, 7]
    scores = nf.load_classifier("lenet-mnist").confidences(whole.images)
    for class_index, row in zip(whole.classes, scores, strict=True):
        assert judgement.top(class_index)[0] == (row.argmax(), row.max())


@given(arrays(np.float32, (3, 8), elements=st.floats(0, 1, width=32)))
def test_what_is_written_is_read_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, scores: np.ndarray) -> None:
    file = tmp_path_factory.mktemp("judgement") / "judgement.json"
    judgement = Judgement.of(np.array([5, 0, 7]), scores)
    write_judgement(file, judgement)
    found = read_judgement(file, 8)
    for name in ("classes", "top_classes", "top_confidences"):
        assert np.array_equal(getattr(found, name), getattr(judgement, name))


def elite(class_index: object = 1, top: object = None) -> dict[str, object]:
    pairs = [[index, 0.5 / (index + 1)] for index in range(5)]
    return {"class": class_index, "top": pairs if top is None else top}


def damaged(position: int, pair: object) -> dict[str, object]:
    one = elite()
    one["top"][position] = pair
    return one


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not valid JSON"),
        ('{"schema": 1, "elites": [NaN]}', "not valid JSON"),
        ([], "damaged"),
        ({"elites": []}, "schema"),
        ({"schema": True, "elites": []}, "schema"),
        ({"schema": 2, "elites": []}, "newer neatfool"),
        ({"schema": 1, "elites": {}}, "elites"),
        ({"schema": 1, "elites": [elite()], "more": 1}, "more"),
        ({"schema": 1, "elites": [{**elite(), "more": 1}]}, "more"),
        ({"schema": 1, "elites": [elite(-1)]}, "class"),
        ({"schema": 1, "elites": [elite(1.0)]}, "class"),
        ({"schema": 1, "elites": [elite(10)]}, "beyond the 10"),
        ({"schema": 1, "elites": [elite(2), elite(1)]}, "wrong place"),
        ({"schema": 1, "elites": [elite(1), elite(1)]}, "twice"),
        ({"schema": 1, "elites": [elite(top=[])]}, "5 classes"),
        ({"schema": 1, "elites": [damaged(0, [10, 0.5])]}, "beyond the 10"),
        ({"schema": 1, "elites": [damaged(0, [10**30, 0.5])]}, "top"),
        ({"schema": 1, "elites": [damaged(0, [1, 0.5])]}, "twice"),
        ({"schema": 1, "elites": [damaged(0, [0, 0.2])]}, "first"),
        ({"schema": 1, "elites": [damaged(0, [0, 1.01])]}, "top"),
        ({"schema": 1, "elites": [damaged(4, [4, -0.1])]}, "top"),
        ({"schema": 1, "elites": [damaged(4, [4, "0.1"])]}, "top"),
        ({"schema": 1, "elites": [damaged(4, [4])]}, "top"),
    ],
)
def test_a_damaged_judgement_is_one_sentence(tmp_path: Path, content: object, words: str) -> None:
    shutil.copytree(Path(__file__).parent / "schema_2/cppn", tmp_path / "run")
    file = tmp_path / "run/judgement.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(nf.RunError, match=words) as raised:
        nf.RunFolder.open(tmp_path / "run").judgement()
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent / "schema_2/cppn", tmp_path / "run")
    (tmp_path / "elsewhere.json").write_text("{}")
    (tmp_path / "run/judgement.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(nf.RunError, match="link"):
        nf.RunFolder.open(tmp_path / "run").judgement()


@pytest.mark.parametrize(
    ("confidence", "scores", "expected"),
    [
        (0.99, [0.01, 0.99, 0], "fooled"),
        (0.99, [0.02, 0.98, 0], "top-1"),
        (0.98, [0.01, 0.99, 0], "top-1"),
        (0.4, [0.3, 0.4, 0.3], "top-1"),
        (0.3, [0.4, 0.3, 0.3], "not reached"),
        (0.999, [0.9995, 0.999, 0], "not reached"),
    ],
)
def test_verdicts(confidence: float, scores: list[float], expected: str) -> None:
    judgement = Judgement.of(np.array([1]), np.array([scores], np.float32))
    assert verdicts([1], np.float32([confidence]), judgement, exclusive=True) == [expected]


@pytest.mark.parametrize(
    ("confidence", "exclusive", "expected"),
    [(FOOLED, True, "fooled"), (0.5, True, "top-1"), (0.49, True, None), (1.0, False, None)],
)
def test_verdicts_without_a_judgement(confidence: float, exclusive: bool, expected: str | None) -> None:
    assert verdicts([1], [confidence], None, exclusive=exclusive) == [expected]


@pytest.mark.parametrize(
    ("found", "exclusive", "counts", "words"),
    [
        (["fooled"] * 1200, True, (1200, 1200, 0), ["1,200 of 1,200 classes fooled"]),
        (
            ["fooled", "top-1", "top-1", "not reached"],
            False,
            (1, 3, 1),
            ["1 of 4 classes fooled", "2 top-1 only", "1 not reached"],
        ),
        (["fooled", "top-1", None], True, (1, None, None), ["1 of 3 classes fooled"]),
        ([None, None], True, (0, None, None), ["0 of 2 classes fooled"]),
        ([None, None], False, (None, None, None), []),
    ],
)
def test_tallies(found: list, exclusive: bool, counts: tuple, words: list[str]) -> None:
    tally = Tally.of(found, exclusive=exclusive)
    assert (tally.fooled, tally.top1, tally.not_reached) == counts
    assert tally.words() == words
