"""An audit as JUnit XML, which systems of continuous integration show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from neatfool.experiments.audit.figure import ATTACK_NAMES
from neatfool.shared.files import replacing
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from neatfool.experiments.audit.result import Audit

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(audit: Audit, out: Path | str, *, fail_over: float | None = None) -> None:
    """Writes an audit as a suite of tests: the fooling score, each attack, and whether the classifier is fed right.

    The score fails above `fail_over`. How the classifier is fed fails where it is suspicious, for then all other numbers are
    of another classifier than the one that was meant; without real images it is skipped. Attacks never fail. Detectors
    are properties of the suite.

    Args:
        audit: a complete one.
        out: the file.
        fail_over: highest fooling score that passes; None for any.

    Raises:
        RunError: the file cannot be written.
    """
    summary = audit.summary()
    cases = [_score(audit, fail_over), *(_attack(one) for one in summary["attacks"]), _feeding(summary["feeding"])]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": f"{audit.seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "neatfool audit", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _clean(f"neatfool audit of {audit.model}"), **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _facts(audit).items():
        ElementTree.SubElement(properties, "property", {"name": _clean(name), "value": _clean(str(value))})
    for case in cases:
        case.set("classname", _clean(f"neatfool.audit.{audit.model}"))
        suite.append(case)
    ElementTree.indent(root)
    with replacing(Path(out)) as temporary:
        temporary.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _score(audit: Audit, fail_over: float | None) -> ElementTree.Element:
    score = audit.score
    text = f"{score.value:.1f} of 100, 95 % interval {score.low:.1f} to {score.high:.1f}"
    failure = None
    if fail_over is not None and score.value > fail_over:
        failure = f"The fooling score is {score.value:.1f}, over {fail_over:g}."
    return _case("fooling score", text, failure)


def _attack(summary: dict[str, Any]) -> ElementTree.Element:
    first, half = summary["passes_to_first"], summary["passes_to_half"]
    text = f"{summary['classes_fooled']} of {summary['classes']} classes fooled"
    if first is not None:
        text += f", the first at pass {first}"
    if half is not None:
        text += f", half of them by pass {half}"
    return _case(ATTACK_NAMES[summary["name"]], text)


def _feeding(summary: dict[str, Any] | None) -> ElementTree.Element:
    if summary is None:
        case = ElementTree.Element("testcase", {"name": "fed right", "time": "0"})
        ElementTree.SubElement(case, "skipped", {"message": "No real images were given; pass --data."})
        return case
    accuracy, sure, ece = (percent(summary[key]) for key in ("top1", "mean_confidence", "ece"))
    text = f"accuracy {accuracy}, mean confidence {sure}, calibration error {ece}, of {summary['images']} real images"
    return _case("fed right", text, summary["suspicion"])


def _case(name: str, text: str, failure: str | None = None) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"name": name, "time": "0"})
    if failure is not None:
        message = _clean(failure)
        ElementTree.SubElement(case, "failure", {"message": message, "type": "audit"}).text = message
    ElementTree.SubElement(case, "system-out").text = _clean(text)
    return case


def _facts(audit: Audit) -> dict[str, object]:
    score = audit.score
    facts: dict[str, object] = {
        "protocol": audit.protocol,
        "budget": audit.config.budget,
        "seeds": audit.seeds_done,
        "score": score.value,
        "score_low": score.low,
        "score_high": score.high,
    }
    for one in audit.detection.detectors if audit.detection else ():
        figures = one.summary()
        for key in ("auroc", "fpr95", "threshold", "false_rejection", "rejected"):
            facts[f"detector.{one.name}.{key}"] = figures[key]
    return facts


def _clean(text: str) -> str:
    """Text without what XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
