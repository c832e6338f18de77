"""What a row is made from, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from neatfool.experiments.reproduction.plan import Spans
from neatfool.experiments.reproduction.settings import ReproductionConfig
from neatfool.runs import StopRequestedError
from neatfool.shared.progress import OnProgress, Progress, Stop, part
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
        spans: the share of the whole that is done when a part of the row begins, and when it ends, where that is planned.
    """

    config: ReproductionConfig
    out: Path
    trusted: bool
    row: str
    progress: OnProgress
    stop: Stop
    spans: Spans = field(default_factory=dict)

    def tell(self, name: str) -> OnProgress:
        """What a part of the row reports to."""
        whole = part(self.progress, *self.spans[name]) if name in self.spans else self.progress
        # How long a part alone takes would be taken for how long everything does.
        return lambda now: whole(replace(now, task=f"{self.row}: {name}, {now.task}", note=""))

    def told_epoch(self, name: str) -> Callable[[Epoch], None]:
        """What a training of the row reports to; it ends where the user says stop."""
        tell, total = self.tell(name), self.config.amount.epochs

        def told(epoch: Epoch) -> None:
            tell(Progress(task="epoch by epoch", unit="epochs", done=epoch.epoch, total=total))
            self.check_stop()

        return told

    def check_stop(self) -> None:
        """Raises StopRequestedError if the user says stop; the row is done another time then."""
        if self.stop():
            raise StopRequestedError
