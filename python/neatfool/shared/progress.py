"""How a long job says where it is, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The best image of every class that has one, at some moment.

    Attributes:
        classes: class index of each, shape (k,), int64.
        class_names: its name.
        confidence: shape (k,), float32 in [0, 1].
        versions: a number of each that changes whenever its picture does, shape (k,), int64.
        pixels: draws those at some positions, int64 (n,), as uint8 (n, channels, H, W).
    """

    classes: NDArray[np.int64]
    class_names: Sequence[str]
    confidence: NDArray[np.float32]
    versions: NDArray[np.int64]
    pixels: Callable[[NDArray[np.int64]], NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a job is.

    Attributes:
        task: what is being done, in a few words.
        unit: what `done` and `total` count, in the plural: "generations", "images", "rounds", ...
        done: number done.
        total: number in all; None where it cannot be known.
        metrics: newest numbers of the job, as in a run's `metrics.jsonl`; empty before the first.
        snapshot: takes stock of the elites, for whoever shows them. It costs little until pixels are asked for, belongs to the
            moment, and is to be called where the event is told, not in another thread; None where a job has none.
    """

    task: str
    unit: str
    done: int
    total: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    snapshot: Callable[[], Snapshot] | None = field(default=None, compare=False)


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
