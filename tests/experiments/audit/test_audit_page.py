import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_audits import HOSTILE, Page, check_page, fake_audit, fake_detection, fake_feeding, fake_folder
from PIL import Image

import neatfool as nf
from neatfool.experiments.audit import Audit
from neatfool.experiments.audit.figure import best_detectors
from neatfool.experiments.audit.page import DOCS, best_of_classes, meaning, write_audit
from neatfool.experiments.audit.settings import ATTACKS
from neatfool.experiments.audit.state import by_name
from neatfool.runs import RunFolder
from neatfool.shared.files import parse_json

THOUSAND = [f"class {index}" for index in range(1000)]


def page_of(audit: Audit, out: Path) -> Page:
    write_audit(audit, out)
    page = Page(out / "audit.html")
    check_page(page)
    return page


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"names": ("cppn", "direct")},
        {"passes": 0},
        {"passes": 1, "seeds": 1},
        {"class_names": ["yes", "no"], "shape": (3, 224, 224), "passes": 100},
        {"class_names": THOUSAND, "shape": (1, 28, 28), "photographs": True},
        {"class_names": [HOSTILE] * 3, "model": HOSTILE, "photographs": True},
        {"feeding": fake_feeding("It is fed <wrongly>."), "detection": fake_detection(), "photographs": True},
        {"feeding": fake_feeding(), "passes": 0},
        {"budget": 1_000_000, "seeds": 3},
    ],
    ids=lambda about: " ".join(about) or "plain",
)
def test_every_kind_of_audit_has_a_page(about: dict[str, Any], tmp_path: Path) -> None:
    audit = fake_audit(**about)
    page = page_of(audit, tmp_path / "out")
    assert f"Fooling score {audit.score.value:.0f} of 100" in page.text
    assert parse_json((tmp_path / "out" / "audit.json").read_bytes()) == json.loads(json.dumps(audit.summary()))
    with Image.open(tmp_path / "out" / "audit.png") as picture:
        assert picture.width > 1000
    assert (tmp_path / "out" / "badge.svg").exists()
    assert DOCS in page.source


def test_without_real_images_the_page_says_how_to_give_some(tmp_path: Path) -> None:
    page = page_of(fake_audit(), tmp_path)
    assert "No real images were given" in page.text
    assert "Without real images nobody knows what a detector would cost" in page.text


def test_without_a_gradient_the_page_says_so_and_has_no_ascent(tmp_path: Path) -> None:
    page = page_of(fake_audit(names=("cppn", "direct")), tmp_path)
    assert "has no gradient" in page.text
    assert "neatfool-audit-1 without gradient" in page.text
    assert "Evolution of pixels" in page.text
    assert "Gradient ascent" not in page.text


def test_what_never_fell_is_shown_as_such(tmp_path: Path) -> None:
    page = page_of(fake_audit(passes=0, feeding=fake_feeding()), tmp_path)
    assert "In none of 60 attempts" in page.text
    assert page.text.count("None fooled it; these came closest.") == 3
    assert "No image fooled it, so there is nothing to catch." in page.text
    assert "--budget 1000" in page.text


def test_a_suspicion_is_said_before_everything_else(tmp_path: Path) -> None:
    page = page_of(fake_audit(feeding=fake_feeding("Its colours are swapped.")), tmp_path)
    assert page.text.index("seems to be fed wrongly") < page.text.index("Is it fed right? Of")
    assert "Its colours are swapped." in page.text
    assert "black and white exchanged" in page.text


@pytest.mark.parametrize(
    ("rejected", "advice"), [(0.9, "Put a detector before it."), (0.1, "Do not rely on a detector.")]
)
def test_a_detector_is_recommended_only_if_it_catches_most(rejected: float, advice: str, tmp_path: Path) -> None:
    audit = fake_audit(feeding=fake_feeding(), detection=fake_detection(rejected=rejected), data="/photographs of mine")
    page = page_of(audit, tmp_path)
    assert advice in page.text
    assert "ViM (the classifier's logits are no linear function of its features)" in page.text
    assert "neatfool audit --model quadrants --data '/photographs of mine' --budget 100 --seeds 2" in page.text


def test_what_was_retrained_is_not_retrained_from_where_it_is(tmp_path: Path) -> None:
    page = page_of(fake_audit(class_names=["a", "b", "fooling image"]), tmp_path)
    assert "has a class for fooling images already" in page.text
    assert "neatfool retrain --model" not in page.text
    assert "neatfool retrain --model" in page_of(fake_audit(class_names=["a", "b"]), tmp_path).text


def test_the_best_detectors_are_shown_each_kind_once() -> None:
    assert [one.name for one in best_detectors(fake_detection())] == ["KNN", "energy (T)", "ODIN"]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    page = page_of(fake_audit(class_names=[HOSTILE, "<img src=x onerror=alert(1)>"], model=HOSTILE), tmp_path)
    assert "<script" not in page.source
    assert "<script>alert('x')</script>" in page.text


def test_each_class_has_one_image_and_those_that_fell_first_lead(tmp_path: Path) -> None:
    passes = np.zeros((3, 2, 10), np.int64)
    passes[0, 0, 3], passes[0, 1, 3], passes[0, 1, 7] = 50, 20, 30
    audit = fake_audit(passes=passes)
    places = best_of_classes(audit.attacks[0])
    assert places[:2] == [(1, 3), (1, 7)]
    assert sorted(int(audit.attacks[0].classes[place]) for place in places) == list(range(10))
    page = page_of(audit, tmp_path)
    assert "#3 · fell after 20 passes" in page.text
    assert "#0 · never fell: 40" in page.text
    assert page.text.count("1 pass ") == 0


def test_a_page_has_no_more_than_a_dozen_images_of_an_attack(tmp_path: Path) -> None:
    page = page_of(fake_audit(class_names=THOUSAND, seeds=3), tmp_path)
    assert len(page.all("img")) == 3 * 12


def test_a_real_image_stands_beside_the_ones_made_for_its_class(tmp_path: Path) -> None:
    page = page_of(fake_audit(photographs=True), tmp_path)
    assert [image["alt"] for image in page.all("img")].count("A real image of 0") == 3


def test_the_plain_words_repeat_the_score() -> None:
    assert "always falls after 10 passes" in meaning(fake_audit(passes=10))
    assert "always falls after 1 pass." in meaning(fake_audit(passes=1))


def test_an_audit_without_a_seed_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(nf.RunError, match="before its first seed"):
        write_audit(replace(fake_audit(), attacks=by_name([], ATTACKS, (1, 8, 8))), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(nf.RunError, match="cannot be made"):
        write_audit(fake_audit(), tmp_path / "file" / "out")


def test_the_folder_gives_versions_and_the_same_bytes_again(tmp_path: Path) -> None:
    path = fake_folder(tmp_path / "run")
    audit = fake_audit(folder=RunFolder.open(path))
    audit.write()
    first = {name: (path / name).read_bytes() for name in ("audit.html", "audit.png", "badge.svg", "audit.json")}
    audit.write()
    assert first == {name: (path / name).read_bytes() for name in first}
    page = Page(path / "audit.html")
    assert nf.__version__ in page.text and f"neatfool audit --before {path}" in page.text


def test_the_link_leads_into_the_repository() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"{project['urls']['Repository']}/blob/main/docs/audit.md" == DOCS
