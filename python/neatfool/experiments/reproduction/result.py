"""The paper's rows beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from neatfool.runs import RunFolder
from neatfool.shared.files import replacing

_COLUMNS = ("row", "experiment", "paper", "ours", "setting", "evaluations", "seconds", "where ours differs")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        row: number of the experiment in the paper's order.
        experiment: what was done.
        paper: what the paper reports.
        ours: what came out here.
        setting: how it was done here.
        evaluations: images judged during searches.
        seconds: time it took.
        differs: where and why ours differs from the paper; empty if it does not.
        agrees: whether the numbers are in accord with the paper by the row's rule, which the page states; None where
            there are too few of them to say, or the row was made before there were rules.
    """

    row: int
    experiment: str
    paper: str
    ours: str
    setting: str
    evaluations: int
    seconds: float
    differs: str
    agrees: bool | None = None


@dataclass(frozen=True)
class Reproduction:
    """The rows that are done.

    Attributes:
        what: "mnist" or "imagenet".
        scale: "smoke", "small" or "full".
        rows: in the paper's order.
        done: whether all the rows asked for are.
        folder: where runs, figures and the table are.
    """

    what: str
    scale: str
    rows: tuple[Row, ...]
    done: bool
    folder: RunFolder

    def summary(self) -> dict[str, Any]:
        """The result in one JSON-ready dictionary, as `neatfool reproduce --json` prints it."""
        return {
            "what": self.what,
            "scale": self.scale,
            "out": str(self.folder.path),
            "rows": [asdict(row) for row in self.rows],
        }

    def write(self) -> None:
        """Writes the table as `reproduction.md`, and the page `reproduction.html`.

        Raises:
            RunError: one cannot be written, or a run of a row is damaged.
        """
        from neatfool.experiments.reproduction.page import write_page

        lines = [f"# Reproduction: {self.what}, scale {self.scale}", "", _line(_COLUMNS), "|---" * len(_COLUMNS) + "|"]
        lines += [_line(_cells(row)) for row in self.rows]
        with replacing(self.folder.path / "reproduction.md") as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_page(self, self.folder.path / "reproduction.html")

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row)) + "</tr>" for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Row) -> list[str]:
    return [
        str(row.row), row.experiment, row.paper, row.ours, row.setting,
        f"{row.evaluations:,}", f"{row.seconds:,.0f}", row.differs,
    ]  # fmt: skip


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
