"""The figures of audits: how soon classes fell, the score on its scale, and how detectors score real and fooling images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neatfool.experiments.audit.score import Score, curve
from neatfool.figures.charts import HALVES, WIDTH, Line, draw_histogram, line_chart, short_count
from neatfool.figures.sheet import Sheet
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neatfool.experiments.audit.detection import Detection, DetectorResult
    from neatfool.experiments.audit.result import AttackResult

ATTACK_NAMES = {"cppn": "Evolution of CPPNs", "direct": "Evolution of pixels", "gradient": "Gradient ascent"}
ATTACK_COLOURS = {"cppn": "c1", "direct": "c2", "gradient": "c3"}

BEFORE = "c0"

_SMALL = (280, 170)
_SCALE = 460
_REAL, _THRESHOLD = "c0", "c5"
_BINS = 60
_MOST_DETECTORS = 3
_LABEL, _GAP, _HEAD, _STRIP, _FOOT = 150, 28, 46, 46, 44
_BAR, _MARK = 10, 26


def draw_curves(attacks: Sequence[AttackResult], budget: int, *, small: bool = False) -> Figure:
    """The share of classes that have fallen, over the passes for each class on a logarithmic axis; a line an attack.

    Args:
        attacks: the attacks.
        budget: passes there were for each class.
        small: whether it is one of several side by side, whose legend stands elsewhere.
    """
    lines = [_curve(one, budget, ATTACK_NAMES[one.name], ATTACK_COLOURS[one.name]) for one in attacks]
    if small:
        return line_chart(lines, x_ticks=_pass_ticks(budget), y_ticks=HALVES, legend=False, size=_SMALL)
    return line_chart(lines, x_ticks=_pass_ticks(budget), x_label="passes for each class")


def draw_change(before: AttackResult, after: AttackResult, budget: int) -> Figure:
    """The curves of an attack in two audits, small, without a legend: that of the first is grey."""
    lines = [_curve(before, budget, "before", BEFORE), _curve(after, budget, "after", ATTACK_COLOURS[after.name])]
    return line_chart(lines, x_ticks=_pass_ticks(budget), y_ticks=HALVES, legend=False, size=_SMALL)


def draw_scale(score: Score, seed_scores: NDArray[np.float64]) -> Figure:
    """The fooling score on a scale from 0 to 100, its interval as a band and the seeds alone as dots."""
    margin = 14
    sheet = Sheet(_SCALE, 88)
    wide, middle = _SCALE - 2 * margin, 40.0
    value, low, high = (margin + wide * part / 100 for part in score)
    sheet.box(margin, middle - _BAR / 2, wide, _BAR, "rule", radius=_BAR / 2)
    sheet.box(low, middle - _BAR / 2, max(high - low, 2), _BAR, "c1", alpha=0.4)
    for seed in seed_scores:
        sheet.box(margin + wide * float(seed) / 100 - 3, middle - 3, 6, 6, "text", radius=3)
    sheet.box(value - 2, middle - _MARK / 2, 4, _MARK, "c1", radius=2)
    sheet.text(value, 14, f"{score.value:.0f}", size=18, bold=True, align="center")
    for tick in (0, 25, 50, 75, 100):
        sheet.text(margin + wide * tick / 100, middle + 20, str(tick), size=11, colour="muted", align="center")
    sheet.text(0, middle + 38, "never fooled", size=11, colour="muted")
    sheet.text(_SCALE, middle + 38, "fooled in the first pass", size=11, colour="muted", align="right")
    return sheet.figure


def best_detectors(detection: Detection, count: int = _MOST_DETECTORS) -> list[DetectorResult]:
    """The detectors with the highest AUROC; of those that differ in the temperature alone, the better one."""
    best: dict[str, DetectorResult] = {}
    for one in sorted(detection.detectors, key=lambda one: -one.overall.auroc):
        best.setdefault(one.name.removesuffix(" (T)"), one)
    return list(best.values())[:count]


def draw_scores(detection: Detection) -> Figure:
    """Histograms of the scores that the best detectors give real images and those of each attack; a column a detector."""
    detectors = best_detectors(detection)
    rows = ("real", *detectors[0].attacks)
    height = _HEAD + len(rows) * _STRIP
    sheet = Sheet(WIDTH, height + _FOOT)
    wide = (WIDTH - _LABEL) / len(detectors) - _GAP
    for number, name in enumerate(rows):
        label = "Real images" if name == "real" else ATTACK_NAMES[name]
        sheet.text(0, _HEAD + (number + 0.6) * _STRIP, label, size=12, room=_LABEL)
    for column, detector in enumerate(detectors):
        left = _LABEL + _GAP / 2 + column * (wide + _GAP)
        sheet.text(left, 12, detector.name, size=14, bold=True, room=wide)
        caught = f"AUROC {detector.overall.auroc:.3f}, catches {percent(detector.overall.rejected)}"
        sheet.text(left, 30, caught, size=11, colour="muted", room=wide)
        scores = {"real": detector.real_scores, **{name: one.scores for name, one in detector.attacks.items()}}
        low, high = _range(list(scores.values()), detector.threshold)
        edges = np.linspace(low, high, _BINS + 1)
        for number, name in enumerate(rows):
            axes = sheet.plot(left, _HEAD + number * _STRIP + 8, wide, _STRIP - 10)
            heights, _ = np.histogram(np.clip(scores[name], low, high), edges)
            draw_histogram(axes, edges, heights, ATTACK_COLOURS.get(name, _REAL))
        at = left + wide * (detector.threshold - low) / (high - low)
        sheet.line((at, at), (_HEAD, height), _THRESHOLD, width=1.5, dashed=True)
        sheet.text(left, height + 12, f"{low:.3g}", size=11, colour="muted")
        sheet.text(left + wide, height + 12, f"{high:.3g}", size=11, colour="muted", align="right")
    note = "score of the detector, the higher the more of a fooling image; dashed: the threshold that costs 1 % of real images"
    sheet.text(WIDTH, height + 32, note, size=11, colour="muted", align="right", room=WIDTH)
    return sheet.figure


def _curve(attack: AttackResult, budget: int, label: str, colour: str) -> Line:
    steps, shares = curve(attack.passes)
    x = np.concatenate(([0.0], np.repeat(np.log10(steps), 2), [math.log10(budget)]))
    return Line(label, x, np.repeat(np.concatenate(([0.0], shares)), 2), colour=colour)


def _pass_ticks(budget: int) -> list[tuple[float, str]]:
    """Powers of ten, and the budget at the end."""
    powers = [10**power for power in range(math.ceil(math.log10(budget))) if 10**power * 2 < budget]
    return [(math.log10(passes), short_count(passes)) for passes in (*powers, budget)]


def _range(scores: Sequence[NDArray[np.float64]], threshold: float) -> tuple[float, float]:
    """Where nearly all scores of each kind lie, and the threshold."""
    ends = [threshold, *(float(end) for one in scores for end in np.quantile(one, (0.01, 0.99)))]
    low, high = min(ends), max(ends)
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin
