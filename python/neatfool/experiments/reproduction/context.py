"""What a row is made from, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from neatfool.experiments.reproduction.settings import ReproductionConfig
from neatfool.runs import StopRequestedError
from neatfool.shared.progress import OnProgress, Progress, Stop
from neatfool.training import Epoch


class Outcome(NamedTuple):
    """What a row came to, in words, and by its rule; see `Row`."""

    ours: str
    setting: str
    evaluations: int
    differs: str
    agrees: bool | None


@dataclass(frozen=True)
class Context:
    """What a row is made from.

    Attributes:
        config: what is reproduced.
        out: the folder for runs and figures.
        row: what is being made, in words.
        progress: told what goes on.
        stop: asked often.
    """

    config: ReproductionConfig
    out: Path
    trusted: bool
    row: str
    progress: OnProgress
    stop: Stop

    def tell(self, part: str) -> OnProgress:
        """What a part of the row reports to."""
        return lambda now: self.progress(replace(now, task=f"{self.row}: {part}, {now.task}"))

    def told_epoch(self, part: str) -> Callable[[Epoch], None]:
        """What a training of the row reports to; it ends where the user says stop."""

        def told(epoch: Epoch) -> None:
            self.progress(Progress(task=f"{self.row}: {part}", unit="epochs", done=epoch.epoch))
            self.check_stop()

        return told

    def check_stop(self) -> None:
        """Raises StopRequestedError if the user says stop; the row is done another time then."""
        if self.stop():
            raise StopRequestedError
