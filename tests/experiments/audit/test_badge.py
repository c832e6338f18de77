from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from fake_audits import HOSTILE, fake_audit
from hypothesis import given
from hypothesis import strategies as st

from neatfool.experiments.audit.badge import COLOURS, badge, write_badge
from neatfool.figures.sheet import text_width

SVG = "{http://www.w3.org/2000/svg}"


def luminance(colour: str) -> float:
    """Relative luminance after WCAG 2.1."""
    parts = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def read(path: Path) -> tuple[ElementTree.Element, list[str | None]]:
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    return root, [element.text for element in root.iter(f"{SVG}text")]


def test_it_says_the_score_and_half_the_width_of_its_interval(tmp_path: Path) -> None:
    audit = fake_audit(passes=np.tile([1, 10, 100, 0, 5], (3, 2, 2)), budget=100)
    write_badge(audit, tmp_path / "badge.svg")
    root, texts = read(tmp_path / "badge.svg")
    score = audit.score
    assert texts == ["fooling score", f"{score.value:.0f} ± {(score.high - score.low) / 2:.0f}"]
    title = root.findtext(f"{SVG}title")
    assert title is not None and title == root.get("aria-label") and root.get("role") == "img"
    assert f"{score.value:.1f} of 100" in title and "quadrants" in title


@pytest.mark.parametrize(("passes", "level"), [(0, 0), (1, -1)])
def test_its_colour_goes_from_green_to_red(passes: int, level: int, tmp_path: Path) -> None:
    write_badge(fake_audit(passes=passes), tmp_path / "badge.svg")
    assert COLOURS[level][1] in (tmp_path / "badge.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("colour", [colour for _, colour in COLOURS])
def test_white_text_is_legible_on_every_colour(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


@given(st.text(st.characters(codec="utf-8")))
def test_the_texts_fit_their_boxes_side_by_side(text: str) -> None:
    root = ElementTree.fromstring(badge("37 ± 5", "#1f7a3d", text))
    boxes = [element for element in root.iter(f"{SVG}rect") if element.get("fill")]
    assert float(boxes[0].get("width", "")) + float(boxes[1].get("width", "")) == pytest.approx(
        float(root.get("width", "")), abs=0.11
    )
    for box, words in zip(boxes, root.iter(f"{SVG}text"), strict=True):
        assert float(words.get("textLength", "")) == pytest.approx(text_width(words.text or "", 11), abs=0.06)
        start, width = float(words.get("x", "")) - float(box.get("x", "")), float(box.get("width", ""))
        assert start > 0 and start + float(words.get("textLength", "")) < width


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    write_badge(fake_audit(model=HOSTILE + "\ud800"), tmp_path / "badge.svg")
    root, _ = read(tmp_path / "badge.svg")
    assert "<script>alert('x')</script>" in (root.get("aria-label") or "")
    assert not list(root.iter(f"{SVG}script"))
