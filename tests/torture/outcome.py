"""What a part of the torture found."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """What one part tried and what went wrong.

    Attributes:
        tried: what was done how often, as a reader of docs/reliability.md wants it: "512 kills of 5 commands".
        failures: a sentence each; none is what is hoped for.
        facts: further figures, by name.
    """

    tried: str
    failures: list[str] = field(default_factory=list)
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A kind of torture.

    Attributes:
        title: its row in the table.
        torture: takes an amount and does it.
        short: the amount that CI does.
        long: the amount that `make torture` does.
    """

    title: str
    torture: Callable[[int], Outcome]
    short: int
    long: int


def row(part: Part, outcome: Outcome, seconds: float) -> str:
    """A line of the table of docs/reliability.md."""
    facts = "; ".join(f"{name}: {value}" for name, value in outcome.facts.items())
    return f"| {part.title} | {outcome.tried} | {len(outcome.failures)} | {facts} | {seconds:,.0f} s |"


def timed(part: Part, amount: int) -> tuple[Outcome, float]:
    """Does a part; returns what it found and the seconds it took."""
    begin = time.perf_counter()
    return part.torture(amount), time.perf_counter() - begin
