"""The figures of the hypothesis: how probable images are, and how far evolution against the classifier got."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.figures.charts import WIDTH, Line, count_ticks, draw_histogram, line_chart, thinned
from neatfool.figures.sheet import Sheet
from neatfool.shared.text import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neatfool.experiments.hypothesis.result import Attack, Hypothesis, ImageGroup, Kind

LOWEST, HIGHEST, BINS = 1.0, 25.0, 150
"""The horizontal axis, in bits per dimension on a logarithmic scale, and the histogram's bins."""
TICKS = (1, 2, 5, 10, 20)

HEADINGS: dict[Kind, str] = {
    "real": "Real digits, not used for the thresholds",
    "evolved": "Evolved to fool another classifier",
    "control": "Controls",
    "attack": "Evolved to fool the generative classifier itself",
}
DEFENCE_NAMES = {"none": "no rejection", "low": "one-sided rejection", "typical": "two-sided rejection"}

_COLOURS: dict[Kind, str] = {"real": "c3", "evolved": "c2", "control": "c0", "attack": "c4"}
_ACCEPTED, _REJECTED = "c3", "c5"
_HEAD, _HEADING, _ROW, _FOOT = 40, 38, 44, 62
_STRIP, _PLOT, _NUMBER = 150, 270, 78
_PLOT_LEFT = WIDTH - 3 * _NUMBER - _PLOT
_STRIP_LEFT = _PLOT_LEFT - _STRIP - 18


def position(bits: float) -> float:
    """Where a number of bits per dimension lies on the axis, 0 to 1."""
    clipped = min(max(bits, LOWEST), HIGHEST)
    return float(np.log(clipped / LOWEST) / np.log(HIGHEST / LOWEST))


def histogram(group: ImageGroup) -> NDArray[np.int64]:
    """How many images lie in each of `BINS` equal parts of the axis; those beyond it count in its first or last."""
    counts, _ = np.histogram([position(bits) for bits in group.bits], bins=BINS, range=(0, 1))
    return counts.astype(np.int64)


def examples(group: ImageGroup, count: int) -> Image.Image:
    """Up to `count` of a group's images side by side, two pixels apart.

    Evolved images in class order; of all others some from the least to the most probable.
    """
    order = np.arange(len(group.images))
    if group.kind not in ("evolved", "attack"):
        order = np.argsort(group.log_likelihood, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]
    padded = np.pad(group.images[chosen, 0], ((0, 0), (0, 0), (0, 2)), constant_values=255)
    return Image.fromarray(np.ascontiguousarray(np.concatenate(list(padded), axis=1)[:, :-2]))


def draw_groups(result: Hypothesis) -> Figure:
    """A histogram of bits per dimension for each kind of image, with examples and the shares that are rejected."""
    groups = [(group.name, group) for group in result.groups]
    groups += [(_name(attack), attack.group) for attack in result.attacks]
    kinds = [kind for kind in HEADINGS if any(group.kind == kind for _, group in groups)]
    bottom = _HEAD + len(kinds) * _HEADING + len(groups) * _ROW
    sheet = Sheet(WIDTH, bottom + _FOOT)
    for number, words in enumerate((("rejected,", "one-sided"), ("rejected,", "two-sided"), ("median", "confidence"))):
        for line, word in enumerate(words):
            right = WIDTH - (2 - number) * _NUMBER
            sheet.text(right, 10 + 14 * line, word, size=10.5, colour="muted", align="right")
    low, typical_low, typical_high = (
        _PLOT_LEFT + _PLOT * position(values["bits_per_dimension"])
        for values in result.summary()["thresholds"].values()
    )
    sheet.box(typical_high, _HEAD, typical_low - typical_high, bottom - _HEAD, _ACCEPTED, alpha=0.12)
    for tick in TICKS:
        x = _PLOT_LEFT + _PLOT * position(tick)
        sheet.line((x, x), (_HEAD, bottom), "rule")
        sheet.text(x, bottom + 12, f"{tick:g}", size=11, colour="muted", align="center")
    sheet.line((low, low), (_HEAD, bottom), _REJECTED, width=1.5)
    middle = _PLOT_LEFT + _PLOT / 2
    sheet.text(middle, bottom + 30, "bits per dimension, -log2 p(x) / 784", size=11, colour="muted", align="center")
    note = "shaded: accepted by the two-sided test; right of the line: rejected by the one-sided test"
    sheet.text(WIDTH, bottom + 50, note, size=11, colour="muted", align="right")
    top = float(_HEAD)
    for kind in kinds:
        sheet.text(0, top + 22, HEADINGS[kind], size=13, colour=_COLOURS[kind], bold=True)
        top += _HEADING
        for name, group in groups:
            if group.kind == kind:
                _add_group(sheet, top, name, group)
                top += _ROW
    return sheet.figure


def draw_attacks(attacks: tuple[Attack, ...]) -> Figure:
    """The median confidence in the course of each attack, as the search saw it."""
    lines = []
    begun = [attack for attack in attacks if len(attack.curve)]
    for attack in begun:
        evaluations, confidence = attack.curve[thinned(len(attack.curve))].T
        lines.append(Line(f"{_name(attack)}: {percent(confidence[-1])}", evaluations, confidence))
    end = max((float(attack.curve[-1, 0]) for attack in begun), default=1.0)
    return line_chart(lines, x_ticks=count_ticks(end), x_label="evaluations")


def _name(attack: Attack) -> str:
    return f"{attack.encoding}, {DEFENCE_NAMES[attack.defence]}"


def _add_group(sheet: Sheet, top: float, name: str, group: ImageGroup) -> None:
    middle, summary = top + _ROW / 2, group.summary()
    sheet.text(0, middle - 7, name, size=12, room=_STRIP_LEFT - 26)
    count = f"{len(group.images):,} image{'s' if len(group.images) != 1 else ''}"
    detail = f"{count}, median {summary['median_bits_per_dimension']:.3g} bits"
    sheet.text(0, middle + 9, detail, size=10.5, colour="muted", room=_STRIP_LEFT - 26)
    strip = examples(group, 5)
    scale = _STRIP / 148  # of five images
    wide, tall = strip.width * scale, strip.height * scale
    sheet.picture(strip, _STRIP_LEFT, middle - wide / 2, wide)
    # So that white images do not vanish on a white page.
    sheet.box(_STRIP_LEFT, middle - tall / 2, wide, tall, None, outline="rule")
    axes = sheet.plot(_PLOT_LEFT, top + 6, _PLOT, _ROW - 10)
    draw_histogram(axes, np.linspace(0, 1, BINS + 1), histogram(group), _COLOURS[group.kind])
    sure = summary.get("median_confidence_in_target", summary["median_confidence"])
    for number, share in enumerate((group.rejected_low, group.rejected_typical, sure)):
        sheet.text(WIDTH - (2 - number) * _NUMBER, middle, percent(share), size=12, align="right")
