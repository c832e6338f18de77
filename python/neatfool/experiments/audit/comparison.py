"""Several audits side by side: a leaderboard of classifiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from neatfool.errors import ConfigError
from neatfool.experiments.audit.figure import ATTACK_COLOURS, ATTACK_NAMES, draw_curves
from neatfool.experiments.audit.images import shared_classes
from neatfool.experiments.audit.reading import AuditRecord, read_audits
from neatfool.figures.output import inline_svg
from neatfool.figures.page import write_html
from neatfool.runs import RunFolder
from neatfool.shared.files import make_folder, write_json

SCHEMA_VERSION = 1
"""Of `compare.json`. It grows when a key goes or changes its meaning."""


@dataclass(frozen=True)
class Comparison:
    """Audits, the least easily fooled classifier first; those whose scores do not compare with the others' come last.

    Attributes:
        records: the audits.
        protocol: what was done in most of them.
        budget: the passes that these had.
    """

    records: tuple[AuditRecord, ...]
    protocol: str
    budget: int

    def compares(self, record: AuditRecord) -> bool:
        """Whether the score of an audit compares with those of most others: protocol and budget are the same."""
        return (record.audit.protocol, record.audit.config.budget) == (self.protocol, self.budget)

    def summary(self) -> dict[str, Any]:
        """The numbers in one JSON-ready dictionary, as in `compare.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "protocol": self.protocol,
            "budget": self.budget,
            "audits": [{**one.summary(), "compares": self.compares(one)} for one in self.records],
        }

    def write(self, out: Path | str) -> None:
        """Writes `compare.json` and `compare.html` into a folder, which is made if need be.

        Raises:
            RunError: a file cannot be written.
        """
        out = Path(out)
        make_folder(out)
        summary = self.summary()
        write_json(out / "compare.json", summary)
        shown = {name for one in self.records for name in (attack.name for attack in one.audit.attacks)}
        write_html(
            Path(__file__).parent / "compare.html.j2",
            out / "compare.html",
            summary=summary,
            rows=[_row(one) for one in summary["audits"]],
            attacks=[name for name in ATTACK_NAMES if name in shown],
            names={name: text for name, text in ATTACK_NAMES.items() if name in shown},
            colours=ATTACK_COLOURS,
            curves=[(one.label, _curves(one)) for one in self.records],
            classes=shared_classes(self.records),
            labels=[one.label for one in self.records],
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(one.label)}</td><td>{score.value:.0f}{'' if self.compares(one) else ' †'}</td>"
            f"<td>{score.low:.0f} to {score.high:.0f}</td></tr>"
            for one, score in ((one, one.audit.score) for one in self.records)
        )
        return (
            "<table><thead><tr><th>classifier</th><th>fooling score</th><th>95 % interval</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )


def compare_audits(sources: Sequence[RunFolder | Path | str]) -> Comparison:
    """Puts finished audits side by side. Scores and curves are calculated from their checkpoints again.

    Audits of another protocol or budget than most are kept, but marked: their scores do not compare.

    Args:
        sources: the folders of the audits, two or more.

    Raises:
        ConfigError: there are fewer than two, or one is given twice.
        RunError: a folder holds no finished audit, or is damaged.
    """
    if len(sources) < 2:
        raise ConfigError("A comparison takes two audits or more.")
    records = read_audits(sources)
    kinds = Counter((one.audit.protocol, one.audit.config.budget) for one in records)
    protocol, budget = kinds.most_common(1)[0][0]
    comparison = Comparison(tuple(records), protocol, budget)
    ordered = sorted(records, key=lambda one: (not comparison.compares(one), one.audit.score.value))
    return Comparison(tuple(ordered), protocol, budget)


def _curves(record: AuditRecord) -> Any:
    svg = draw_curves(record.audit.attacks, record.audit.config.budget, small=True)
    return inline_svg(svg, f"Share of classes of {record.label} fooled, over the passes for each class")


def _row(summary: dict[str, Any]) -> dict[str, Any]:
    """What a line of the leaderboard shows beside the numbers themselves."""
    best = max(summary["detectors"], key=lambda one: one["auroc"], default=None)
    return {**summary, "areas": {one["name"]: one["area"] for one in summary["attacks"]}, "best": best}
