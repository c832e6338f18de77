"""Two audits of a classifier, before and after it was retrained: what was gained, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import RunError
from neatfool.experiments.audit.comparison import SCHEMA_VERSION
from neatfool.experiments.audit.figure import ATTACK_COLOURS, ATTACK_NAMES, BEFORE, draw_change
from neatfool.experiments.audit.images import shared_classes
from neatfool.experiments.audit.reading import AuditRecord, read_audits
from neatfool.experiments.audit.result import Audit
from neatfool.experiments.audit.score import Score, ease, resampled
from neatfool.figures.output import inline_svg
from neatfool.figures.page import write_html
from neatfool.runs import RunFolder
from neatfool.shared.files import make_folder, write_json
from neatfool.shared.text import percent


@dataclass(frozen=True)
class Difference:
    """An audit before and one after a classifier was changed.

    Attributes:
        before, after: the audits, of the same protocol and budget.
    """

    before: AuditRecord
    after: AuditRecord

    @property
    def paired(self) -> bool:
        """Whether both attacked the same classes with each seed, so that the change can be told class by class."""
        return _attacked(self.before.audit) == _attacked(self.after.audit)

    @property
    def change(self) -> Score:
        """By how much the fooling score rose, with its 95 % interval: below 0, the classifier is fooled less easily.

        The interval is a bootstrap over seeds, and over the classes of each, as that of the score itself. Where `paired`, both
        audits are resampled alike, else each by itself.
        """
        old, new = _easy(self.before.audit), _easy(self.after.audit)
        random = np.random.default_rng(0)
        same = self.paired
        means = resampled(new - old, random) if same else resampled(new, random) - resampled(old, random)
        return Score.of(new.mean() - old.mean(), means)

    @property
    def verdict(self) -> str:
        """What came of it, in a sentence."""
        value, low, high = self.change
        interval = f"95 % interval {_signed(low)} to {_signed(high)}"
        if low <= 0 <= high:
            return f"The fooling score changed by {_signed(value)} ({interval}), which may be chance."
        way = "less" if value < 0 else "more"
        return f"It is fooled {way} easily: the fooling score changed by {_signed(value)} ({interval})."

    def summary(self) -> dict[str, Any]:
        """The numbers in one JSON-ready dictionary, as in `compare.json`."""
        before, after, change = self.before.summary(), self.after.summary(), self.change
        return {
            "schema_version": SCHEMA_VERSION,
            "before": before,
            "after": after,
            "score_change": change.value,
            "score_change_low": change.low,
            "score_change_high": change.high,
            "paired": self.paired,
            "accuracy_change": _minus(after["accuracy"], before["accuracy"]),
            "ece_change": _minus(after["ece"], before["ece"]),
            "attacks": [
                {"name": new["name"], "before": old["area"], "after": new["area"], "change": new["area"] - old["area"]}
                for old, new in zip(before["attacks"], after["attacks"], strict=True)
            ],
            "detectors": _detectors(before["detectors"], after["detectors"]),
        }

    def rows(self) -> dict[str, str]:
        """The numbers as a table of names and texts."""
        summary = self.summary()
        before, after = summary["before"], summary["after"]
        low, high = summary["score_change_low"], summary["score_change_high"]
        rows = {
            "fooling score": f"{before['score']:.1f} to {after['score']:.1f}",
            "change": f"{_signed(summary['score_change'])} ({_signed(low)} to {_signed(high)})",
        }
        for one in summary["attacks"]:
            rows[ATTACK_NAMES[one["name"]]] = f"{100 * one['before']:.1f} to {100 * one['after']:.1f}"
        for key, name in (("accuracy", "accuracy"), ("ece", "calibration error")):
            if None not in (before[key], after[key]):
                rows[name] = f"{percent(before[key])} to {percent(after[key])}"
        return rows

    def write(self, out: Path | str) -> None:
        """Writes `compare.json` and `compare.html` into a folder, which is made if need be.

        Raises:
            RunError: a file cannot be written.
        """
        out = Path(out)
        make_folder(out)
        summary = self.summary()
        write_json(out / "compare.json", summary)
        pairs = list(zip(self.before.audit.attacks, self.after.audit.attacks, strict=True))
        budget = self.before.audit.config.budget
        write_html(
            Path(__file__).parent / "difference.html.j2",
            out / "compare.html",
            summary=summary,
            verdict=self.verdict,
            names=ATTACK_NAMES,
            colours=ATTACK_COLOURS,
            before_colour=BEFORE,
            curves=[
                (old.name, inline_svg(draw_change(old, new, budget), f"{ATTACK_NAMES[old.name]} before and after"))
                for old, new in pairs
            ],
            classes=shared_classes([self.before, self.after]),
        )

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in self.rows().items())
        return f"<table><tbody>{rows}</tbody></table>"


def before_and_after(before: RunFolder | Path | str, after: RunFolder | Path | str) -> Difference:
    """What changed between two finished audits, as before and after `neatfool retrain`.

    Args:
        before: the folder of the first audit.
        after: that of the second.

    Raises:
        ConfigError: both are the same folder.
        RunError: a folder holds no finished audit, is damaged, or the audits are of different protocols or budgets.
    """
    old, new = read_audits([before, after])
    kinds = [(one.audit.protocol, one.audit.config.budget) for one in (old, new)]
    if kinds[0] != kinds[1]:
        (one, first), (other, second) = kinds
        raise RunError(
            f"The audits do not compare: {old.label} had {first:,} passes for each class ({one}), {new.label} {second:,} "
            f"({other}); audit both in the same way."
        )
    return Difference(old, new)


def _attacked(audit: Audit) -> list[list[tuple[int, str]]]:
    seeds = [classes for attack in audit.attacks for classes in attack.classes.tolist()]
    return [[(index, audit.class_names[index]) for index in classes] for classes in seeds]


def _easy(audit: Audit) -> NDArray[np.float64]:
    """How easily each class fell, float64 (attacks, seeds, classes)."""
    return ease(audit.passes, audit.config.budget)


def _detectors(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The detectors that both audits have."""
    old = {one["name"]: one for one in before}
    return [{"name": new["name"], "before": old[new["name"]], "after": new} for new in after if new["name"] in old]


def _minus(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}") if round(value, 1) else "0"
