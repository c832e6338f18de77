"""How a long job says where it is, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a job is.

    Attributes:
        task: what is being done, in a few words.
        unit: what `done` and `total` count, in the plural: "generations", "images", "rounds", ...
        done: number done.
        total: number in all; None where it cannot be known.
        metrics: newest numbers of the job, as in a run's `metrics.jsonl`; empty before the first.
    """

    task: str
    unit: str
    done: int
    total: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)


OnProgress = Callable[[Progress], None]
"""Told where a job is, now and then."""

Stop = Callable[[], bool]
"""Asked often; True ends a job at the next point from which it can be resumed."""


class StopRequestedError(Exception):
    """Ends a step of a job in the middle. Nothing of that step is kept; it is done again when the job is resumed."""


def silent(progress: Progress) -> None:
    """Tells nobody."""


def never() -> bool:
    """Never stops."""
    return False
