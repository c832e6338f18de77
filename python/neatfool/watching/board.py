"""Files that TensorBoard shows: the numbers of a job, and its elites now and then."""

from __future__ import annotations

from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.errors import ConfigError, RunError
from neatfool.figures.tiles import fit_tile
from neatfool.shared.pixels import as_picture
from neatfool.shared.progress import Progress, Snapshot

MOST_PICTURES = 100
_SIDE, _GAP = 112, 4


class TensorBoard:
    """Writes what a job tells as its `progress` into a folder of TensorBoard's files.

    A step is a generation of an evolution or an ascent, or a round of a retraining. Files that a resumed job finds there
    are continued; what they say of steps that are done again no longer counts.
    """

    def __init__(self, folder: Path | str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "Files for TensorBoard need tensorboard, which is not installed; run pip install 'neatfool[tensorboard]'."
            ) from error
        self._make: Any = SummaryWriter
        self._folder = Path(folder)
        self._writer: Any = None
        self._next_picture = 0
        self._step = -1
        self._last: Progress | None = None

    def __call__(self, now: Progress) -> None:
        """Write the newest numbers, and the elites after 0, 1, 2, 5, 10, 20, 50, ... steps.

        Raises:
            RunError: the folder cannot be written.
        """
        self._last = now
        step = next((now.metrics[key] for key in ("generation", "round") if key in now.metrics), None)
        if step is None or step <= self._step:
            return
        try:
            if self._writer is None:  # not before: a run folder has to be empty when it is made
                self._writer = self._make(str(self._folder), purge_step=step, flush_secs=30)
                self._next_picture = _round(step)
            self._step = step
            for name, value in now.metrics.items():
                if isinstance(value, Real) and name not in ("generation", "round"):
                    self._writer.add_scalar(name, value, step)
            if step >= self._next_picture:
                self._add_pictures(now)
                self._next_picture = _round(step + 1)
        except OSError as error:
            raise RunError(f"{self._folder} cannot be written: {error.strerror or error}.") from error

    def close(self) -> None:
        """Write the elites as they are at the end, and close the files.

        Raises:
            RunError: the folder cannot be written.
        """
        if self._writer is None or self._last is None:
            return
        try:
            self._add_pictures(self._last)
            self._writer.close()
        except OSError as error:
            raise RunError(f"{self._folder} cannot be written: {error.strerror or error}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add_pictures(self, now: Progress) -> None:
        snapshot = None if now.snapshot is None else now.snapshot()
        if snapshot is not None and len(snapshot.classes):
            self._writer.add_image("elites", contact_sheet(snapshot), self._step, dataformats="HWC")


def tensorboard(folder: Path | str) -> TensorBoard:
    """A writer of TensorBoard's files: the numbers of `metrics.jsonl` as scalars, and sheets of the elites as images.

    ```python
    with nf.tensorboard("runs/one/tensorboard") as board:
        nf.evolve("lenet-mnist", out="runs/one", progress=board)
    ```

    Args:
        folder: where the files go; it is made at the first step.

    Returns:
        A context manager that is also what `evolve`, `ascend`, `retrain` and `resume` take as `progress`.

    Raises:
        ConfigError: tensorboard is not installed.
    """
    return TensorBoard(folder)


def contact_sheet(snapshot: Snapshot) -> NDArray[np.uint8]:
    """The elites in class order in a grid, uint8 (H, W, 3); of more than a hundred a hundred, evenly spread."""
    count = len(snapshot.classes)
    rows = np.argsort(snapshot.classes)
    if count > MOST_PICTURES:
        rows = rows[np.linspace(0, count - 1, MOST_PICTURES).round().astype(np.int64)]
    columns = int(np.ceil(np.sqrt(2 * len(rows)))) if len(rows) < 50 else 10
    across = _SIDE + _GAP
    sheet = Image.new("RGB", (columns * across - _GAP, -(-len(rows) // columns) * across - _GAP), "white")
    for place, pixels in enumerate(snapshot.pixels(rows)):
        sheet.paste(fit_tile(as_picture(pixels), _SIDE), (place % columns * across, place // columns * across))
    return np.asarray(sheet)


def _round(step: int) -> int:
    """The first of 0, 1, 2, 5, 10, 20, 50, ... that is not below a step."""
    if step <= 0:
        return 0
    power: int = 10 ** (len(str(step)) - 1)
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step)
