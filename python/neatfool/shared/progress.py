"""How a long job says where it is, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
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
        share: how much of the whole job is done, in [0, 1], as time goes; None where `done` of `total` says it.
        note: a sentence worth reading later too, such as how long it will take; empty where there is none.
        snapshot: takes stock of the elites, for whoever shows them. It costs little until pixels are asked for, belongs to the
            moment, and is to be called where the event is told, not in another thread; None where a job has none.
    """

    task: str
    unit: str
    done: int
    total: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    share: float | None = None
    note: str = ""
    snapshot: Callable[[], Snapshot] | None = field(default=None, compare=False)

    @property
    def fraction(self) -> float | None:
        """How much is done, in [0, 1]; None where that is not known."""
        if self.share is not None:
            return self.share
        return self.done / self.total if self.total else None


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


def part(progress: OnProgress, begin: float, end: float) -> OnProgress:
    """What a part of a job tells its progress to: it is passed on as that of the whole, of which the part is a share.

    Args:
        progress: told of the whole.
        begin: share of the whole that is done when the part begins, in [0, 1].
        end: share that is done when the part is.
    """
    return lambda now: progress(replace(now, share=begin + (end - begin) * (now.fraction or 0.0)))


_listener: ContextVar[OnProgress | None] = ContextVar("listener", default=None)


@contextmanager
def listening(progress: OnProgress) -> Iterator[None]:
    """Within it, `listener` is told what happens too deep for a `progress` of its own, such as the download of weights."""
    before = _listener.set(progress)
    try:
        yield
    finally:
        _listener.reset(before)


def listener() -> OnProgress | None:
    """Who is told what happens deep down, if anybody."""
    return _listener.get()
