from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fake_audits import HOSTILE, fake_audit, fake_detection, fake_feeding

import neatfool as nf
from neatfool.experiments.audit import write_junit


def junit(out: Path, *, fail_over: float | None = None, **about: Any) -> ElementTree.Element:
    """The file, once it is what readers of JUnit XML rely on."""
    write_junit(fake_audit(**about), out, fail_over=fail_over)
    root = ElementTree.fromstring(out.read_bytes())
    assert root.tag == "testsuites" and [child.tag for child in root] == ["testsuite"]
    suite = root[0]
    cases = suite.findall("testcase")
    assert [child.tag for child in suite] == ["properties", *["testcase"] * len(cases)]
    for counting in (root, suite):
        assert counting.get("tests") == str(len(cases))
        assert counting.get("failures") == str(len(suite.findall("testcase/failure")))
        assert counting.get("skipped") == str(len(suite.findall("testcase/skipped")))
        assert counting.get("errors") == "0"
        assert float(counting.get("time", "")) >= 0 and counting.get("name")
    for case in cases:
        assert case.get("name") and case.get("classname") and float(case.get("time", "")) == 0
        assert [child.tag for child in case] in (["system-out"], ["failure", "system-out"], ["skipped"])
        assert all(child.get("message") for child in case if child.tag != "system-out")
    assert all(one.get("name") and one.get("value") is not None for one in suite.iter("property"))
    return suite


def failed(suite: ElementTree.Element) -> list[str | None]:
    return [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None]


def test_the_score_fails_above_the_limit_alone(tmp_path: Path) -> None:
    assert failed(junit(tmp_path / "a.xml", passes=10)) == []
    assert failed(junit(tmp_path / "b.xml", passes=10, fail_over=49.9)) == ["fooling score"]
    assert failed(junit(tmp_path / "c.xml", passes=10, fail_over=50.1)) == []


def test_there_is_a_case_for_the_score_each_attack_and_the_feeding(tmp_path: Path) -> None:
    names = [case.get("name") for case in junit(tmp_path / "a.xml", names=("cppn", "direct")).findall("testcase")]
    assert names == ["fooling score", "Evolution of CPPNs", "Evolution of pixels", "fed right"]


def test_how_it_is_fed_is_skipped_passes_or_fails(tmp_path: Path) -> None:
    assert len(junit(tmp_path / "a.xml").findall("testcase/skipped")) == 1
    assert failed(junit(tmp_path / "b.xml", feeding=fake_feeding())) == []
    suite = junit(tmp_path / "c.xml", feeding=fake_feeding("BGR, not RGB."))
    assert failed(suite) == ["fed right"]
    assert [failure.get("message") for failure in suite.iter("failure")] == ["BGR, not RGB."]


def test_detectors_are_properties(tmp_path: Path) -> None:
    suite = junit(tmp_path / "a.xml", feeding=fake_feeding(), detection=fake_detection())
    values = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert values["detector.KNN.auroc"] == "0.95"
    assert values["score"] == "50.0"


def test_what_xml_cannot_hold_is_replaced(tmp_path: Path) -> None:
    suite = junit(tmp_path / "a.xml", model=HOSTILE + "\ud800", feeding=fake_feeding("a\x00b\x1b]]>\uffff"), passes=0)
    assert "<script>" in suite.get("name", "")
    assert [failure.get("message") for failure in suite.iter("failure")] == ["a\ufffdb\ufffd]]>\ufffd"]


def test_where_it_cannot_be_written_one_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(nf.RunError, match="cannot be written"):
        write_junit(fake_audit(), tmp_path / "missing" / "junit.xml")
