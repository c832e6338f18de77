import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_audits import DIGITS, HOSTILE, Page, check_page, fake_detection, fake_feeding, fake_folder

import neatfool as nf
from neatfool.experiments.audit import before_and_after, compare_audits
from neatfool.runs import RunFolder
from neatfool.shared.files import parse_json


def page_of(result: Any, out: Path, *, scripts: int) -> Page:
    result.write(out)
    assert parse_json((out / "compare.json").read_bytes()) == json.loads(json.dumps(result.summary()))
    page = Page(out / "compare.html")
    check_page(page, scripts=scripts)
    return page


def board(page: Page) -> list[list[str | None]]:
    """The values by which the rows of the leaderboard are sorted."""
    cells = [attributes["data-value"] for attributes in page.all("td") if "data-value" in attributes]
    columns = sum(1 for attributes in page.all("td") if "data-value" in attributes) // page.source.count(
        'class="label"'
    )
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Easily fooled, hardly, and one whose score does not compare."""
    about = {"feeding": fake_feeding(), "detection": fake_detection()}
    return [
        fake_folder(tmp_path / "easy", model="easy", passes=2, **about),
        fake_folder(tmp_path / "hard", model="hard", passes=50),
        fake_folder(tmp_path / "other", model="other", passes=2, budget=1000),
    ]


def test_the_hardest_to_fool_comes_first_and_what_does_not_compare_last(three: list[Path], tmp_path: Path) -> None:
    comparison = compare_audits(three)
    summary = comparison.summary()
    assert [one["label"] for one in summary["audits"]] == ["hard", "easy", "other"]
    assert [one["compares"] for one in summary["audits"]] == [True, True, False]
    assert summary["budget"] == 100
    assert summary["audits"][0]["score"] == pytest.approx(100 * (1 - np.log(50) / np.log(100)))
    page = page_of(comparison, tmp_path / "out", scripts=1)
    assert "† other had 1,000 passes (neatfool-audit-1); the others had 100" in page.text
    assert "hard" in comparison._repr_html_()


def test_what_cannot_be_calculated_comes_from_the_json_and_may_be_missing(three: list[Path]) -> None:
    (three[1] / "audit.json").unlink()
    hard, easy, _ = compare_audits(three).summary()["audits"]
    assert (hard["accuracy"], hard["ece"], hard["detectors"]) == (None, None, [])
    assert easy["accuracy"] == 0.9
    assert {one["name"] for one in easy["detectors"]} == {"energy", "energy (T)", "KNN", "ODIN"}


def test_the_score_of_the_json_is_not_believed(three: list[Path]) -> None:
    path = three[0] / "audit.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "score": 0.0, "attacks": []}))
    assert compare_audits(three).summary()["audits"][1]["score"] == pytest.approx(100 * (1 - np.log(2) / np.log(100)))


def test_every_column_can_be_sorted_by_its_values(three: list[Path], tmp_path: Path) -> None:
    rows = board(page_of(compare_audits(three), tmp_path / "out", scripts=1))
    assert [row[0] for row in rows] == ["hard", "easy", "other"]
    numbers = [[float(cell) for cell in row[1:] if cell] for row in rows]
    assert [len(row) for row in rows] == [len(rows[0])] * 3
    assert numbers[0][0] < numbers[1][0]
    accuracy = [row[6] for row in rows]
    assert accuracy == ["", "0.9", ""]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
def test_the_script_sorts_both_ways_and_keeps_what_is_unknown_last(three: list[Path], tmp_path: Path) -> None:
    page = page_of(compare_audits(three), tmp_path / "out", scripts=1)
    script = page.source.partition("<script>")[2].partition("</script>")[0]
    program = f"""
const heads = {json.dumps(board(page)[0])}.map((_, column) => {{
  const attributes = column === 1 ? {{"aria-sort": "ascending"}} : {{}};
  return {{dataset: column ? {{}} : {{text: ""}}, childNodes: [], append() {{}},
    getAttribute: name => attributes[name] ?? null, setAttribute: (name, value) => attributes[name] = value,
    removeAttribute: name => delete attributes[name]}};
}});
const clicks = [];
let rows = {json.dumps(board(page))}.map(cells => ({{cells: cells.map(value => ({{dataset: {{value}}}}))}}));
const table = {{get rows() {{ return rows; }}, append(...sorted) {{ rows = sorted; }}}};
const document = {{
  getElementById: () => ({{tBodies: [table], tHead: {{rows: [{{cells: heads}}]}}}}),
  createElement: () => ({{append() {{}}, addEventListener: (_, click) => clicks.push(click)}}),
}};
{script}
const names = () => rows.map(row => row.cells[0].dataset.value).join(" ");
for (const column of [0, 0, 1, 1, 6, 6]) {{ clicks[column](); console.log(names()); }}
"""
    shown = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True).stdout.split("\n")
    assert shown[:2] == ["easy hard other", "other hard easy"]
    # Scores of 14.9, 84.9 and 90.0.
    assert shown[2:4] == ["hard easy other", "other easy hard"]
    assert all(line.startswith("easy ") for line in shown[4:6])


def test_classes_stand_side_by_side_where_two_audits_attacked_them(tmp_path: Path) -> None:
    names = [*DIGITS[:9], "nine"]
    folders = [
        fake_folder(tmp_path / "a", model="a"),
        fake_folder(tmp_path / "b", model="b"),
        fake_folder(tmp_path / "c", model="c", class_names=names, shape=(3, 80, 80)),
    ]
    page = page_of(compare_audits(folders), tmp_path / "out", scripts=1)
    assert len(page.all("img")) == 9 * 3 + 2
    assert {"Image that c takes for 8", "Image that b takes for 9"} <= {image["alt"] for image in page.all("img")}
    assert "nine" not in page.text


def test_without_common_classes_the_page_says_so(tmp_path: Path) -> None:
    folders = [
        fake_folder(tmp_path / "a", model="a", class_names=["cat", "dog"], names=("cppn", "direct")),
        fake_folder(tmp_path / "b", model="b", class_names=["dog", "cat"], names=("cppn", "direct"), passes=0),
    ]
    page = page_of(compare_audits(folders), tmp_path / "out", scripts=1)
    assert "No class was attacked in two of these audits." in page.text
    assert "Gradient ascent" not in page.text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    folders = [
        fake_folder(tmp_path / f"<b>{one}", model=HOSTILE, class_names=[HOSTILE, "<i>"], passes=one) for one in (5, 9)
    ]
    comparison = compare_audits(folders)
    page = page_of(comparison, tmp_path / "out", scripts=1)
    assert "alert('x')</script>" in page.text
    assert "<i>" not in page.source and "<b>" not in page.source
    assert "<script" not in comparison._repr_html_()
    difference = before_and_after(*folders)
    assert "<b>" not in page_of(difference, tmp_path / "difference", scripts=0).source
    assert "<script" not in difference._repr_html_()


def test_labels_tell_audits_of_the_same_model_apart(tmp_path: Path) -> None:
    a, b = fake_folder(tmp_path / "x" / "audit"), fake_folder(tmp_path / "y" / "audit")
    labels = {one.label for one in compare_audits([a, b]).records}
    assert labels == {f"quadrants ({a})", f"quadrants ({b})"}
    c = fake_folder(tmp_path / "third")
    assert {one.label for one in compare_audits([a, c]).records} == {"quadrants (audit)", "quadrants (third)"}


def test_what_is_no_finished_audit_gets_one_sentence(tmp_path: Path) -> None:
    good = fake_folder(tmp_path / "good")
    with pytest.raises(nf.ConfigError, match="two audits or more"):
        compare_audits([good])
    with pytest.raises(nf.ConfigError, match="given twice"):
        compare_audits([good, RunFolder.open(good)])
    with pytest.raises(nf.RunError, match="no run folder"):
        compare_audits([good, tmp_path / "none"])
    for done in (0, 5):
        unfinished = fake_folder(tmp_path / f"unfinished{done}", done=done)
        with pytest.raises(nf.RunError, match="not finished; go on with"):
            compare_audits([good, unfinished])
    manifest = {"command": "ascend", "model": "m", "class_names": ["a"], "image_shape": (1, 8, 8)}
    RunFolder.create(tmp_path / "ascent", config={}, manifest=manifest)
    with pytest.raises(nf.RunError, match="ascend"):
        compare_audits([good, tmp_path / "ascent"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "its content"),
        ('{"accuracy": NaN}', "not valid JSON"),
        ('{"accuracy": 1.5}', "accuracy"),
        ('{"accuracy": "0.5"}', "accuracy"),
        ('{"detectors": [{"name": "x"}]}', r"detectors\.0\.auroc"),
        ('{"detectors": ' + "[" * 5000 + "]" * 5000 + "}", "audit.json"),
    ],
)
def test_a_damaged_json_gets_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    good, bad = fake_folder(tmp_path / "good"), fake_folder(tmp_path / "bad")
    (bad / "audit.json").write_text(text)
    with pytest.raises(nf.RunError, match=message) as error:
        compare_audits([good, bad])
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_damaged_checkpoint_gets_one_sentence(tmp_path: Path) -> None:
    good, bad = fake_folder(tmp_path / "good"), fake_folder(tmp_path / "bad")
    (bad / "checkpoint" / "state.safetensors").write_bytes(b"nonsense")
    with pytest.raises(nf.RunError, match="not a readable checkpoint"):
        compare_audits([good, bad])


def test_the_change_is_told_class_by_class_where_classes_are_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    before = random.integers(1, 100, (3, 3, 10))
    # Every class falls later by the same factor: paired, there is no doubt at all.
    folders = [
        fake_folder(tmp_path / "before", seeds=3, passes=before, budget=10_000, feeding=fake_feeding()),
        fake_folder(
            tmp_path / "after", seeds=3, passes=10 * before, budget=10_000, feeding=fake_feeding(top1=0.85, ece=0.1)
        ),
    ]
    difference = before_and_after(*folders)
    assert difference.paired
    np.testing.assert_allclose(difference.change, [-25, -25, -25], atol=1e-9)
    summary = difference.summary()
    assert summary["score_change"] == pytest.approx(summary["after"]["score"] - summary["before"]["score"])
    assert [one["change"] for one in summary["attacks"]] == pytest.approx([-0.25] * 3)
    assert summary["accuracy_change"] == pytest.approx(-0.05)
    assert summary["ece_change"] == pytest.approx(0.05)
    page = page_of(difference, tmp_path / "out", scripts=0)
    assert "It is fooled less easily: the fooling score changed by \N{MINUS SIGN}25.0" in page.text
    assert "each class is compared with itself" in page.text
    assert "\N{MINUS SIGN}5.00 points" in page.text
    assert difference.rows()["fooling score"].endswith(f"{summary['after']['score']:.1f}")


def test_retraining_adds_a_class_and_the_others_are_still_the_same(tmp_path: Path) -> None:
    before = fake_folder(tmp_path / "before", passes=3, feeding=fake_feeding(), detection=fake_detection())
    after = fake_folder(tmp_path / "after", class_names=[*DIGITS, "fooling image"], passes=0, feeding=fake_feeding())
    difference = before_and_after(before, after)
    assert difference.paired
    page = page_of(difference, tmp_path / "out", scripts=0)
    assert len(page.all("img")) == 20
    assert "What would catch the images" not in page.text  # nothing fools the second


def test_other_classes_are_compared_as_two_samples(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    names = [f"class {index}" for index in range(30)]
    before = fake_folder(tmp_path / "before", passes=random.integers(1, 100, (3, 2, 10)))
    after = fake_folder(tmp_path / "after", class_names=names, passes=random.integers(1, 100, (3, 2, 10)))
    difference = before_and_after(before, after)
    assert not difference.paired
    value, low, high = difference.change
    assert low < value < high
    assert low < 0 < high
    page = page_of(difference, tmp_path / "out", scripts=0)
    assert "which may be chance" in page.text
    assert "the audits attacked different classes" in page.text
    assert "What it cost on real images is known only where both audits had some" in page.text


def test_audits_of_other_budgets_or_protocols_are_not_subtracted(tmp_path: Path) -> None:
    one = fake_folder(tmp_path / "one")
    for number, about in enumerate(({"budget": 500}, {"names": ("cppn", "direct")})):
        other = fake_folder(tmp_path / f"other{number}", **about)
        with pytest.raises(nf.RunError, match=r"The audits do not compare: .* audit both in the same way"):
            before_and_after(one, other)
