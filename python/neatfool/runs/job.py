"""The one way in which everything that takes long is done: step by step, written as it goes, stopped and taken up again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from neatfool.errors import ConfigError, JudgeError, RunError
from neatfool.runs.folder import FAILED_BATCH, RunFolder
from neatfool.shared.progress import OnProgress, Progress, Stop, StopRequestedError, never, silent
from neatfool.shared.settings import Settings, check_settings

CHECKPOINT_SECONDS = 60.0

S = TypeVar("S", bound=Settings)


class Job(Protocol):
    """Something long, between two of its steps.

    Attributes:
        folder: where it is written; None keeps it in memory.
        seconds: wall time spent on it so far, in all sessions.
    """

    folder: RunFolder | None
    seconds: float

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""

    def step(self, progress: OnProgress, stop: Stop) -> Mapping[str, Any] | None:
        """Does the next step.

        Args:
            progress: told what goes on within the step, where a step is long.
            stop: asked within the step, where a step is long.

        Returns:
            A line for `metrics.jsonl` with its `generation`, or None.

        Raises:
            JudgeError: the classifier failed; the job is resumed from its last checkpoint.
            StopRequestedError: `stop` said so.
        """

    def progress(self) -> Progress:
        """Where it is."""

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]] | None:
        """The arrays and the metadata to go on from; None where there is nothing to lose yet."""

    def write(self) -> None:
        """Writes into the folder what people look at."""


def run_job(
    job: Job,
    *,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> None:
    """Does a job until it is done or told to stop. A killed process loses at most a minute, or a step that takes longer.

    Args:
        job: what to do. If it has a folder, that is locked by the caller.
        progress: told where the job is, after every step.
        stop: asked before every step; True ends the job there, to be resumed.

    Raises:
        JudgeError: the classifier failed in the middle. The last checkpoint is kept, and so are the images it failed on.
        RunError: the folder cannot be written.
    """
    tell, asked_to_stop = progress or silent, stop or never
    before, begin = job.seconds, time.perf_counter()
    # What there is is written at once, and so is the first step, so that whatever happens there is something to resume.
    if job.folder and not job.folder.has_checkpoint:
        _save(job, job.folder)
    saved, unsaved = -math.inf, False
    while not job.done and not asked_to_stop():
        try:
            row = job.step(tell, asked_to_stop)
        except StopRequestedError:
            break
        except JudgeError as error:
            raise _with_places(error, job.folder) from error
        now, unsaved = time.perf_counter(), True
        job.seconds = before + now - begin
        if job.folder and row is not None:
            job.folder.append_metrics({**row, "seconds": row.get("seconds", round(job.seconds, 3))})
        tell(job.progress())
        if job.folder and now - saved > CHECKPOINT_SECONDS:
            _save(job, job.folder)
            saved, unsaved = time.perf_counter(), False
    if job.folder:
        if unsaved:
            _save(job, job.folder)
        job.write()
    job.seconds = before + time.perf_counter() - begin


def _with_places(error: JudgeError, folder: RunFolder | None) -> JudgeError:
    """The same error, saying where the images are that the classifier failed on, and how to go on."""
    if folder is None or error.images is None:
        return error
    folder.save_failed_batch(error.images)
    path, metadata = folder.path, folder.load_checkpoint(())[1] if folder.has_checkpoint else {}
    point = next((f"{unit} {metadata[unit]}" for unit in ("generation", "round") if unit in metadata), "the beginning")
    return JudgeError(
        f"{error} That batch is in {path / FAILED_BATCH}, for numpy.load; once it is mended, `neatfool resume {path}` goes on "
        f"from the last checkpoint, {point}."
    )


def _save(job: Job, folder: RunFolder) -> None:
    state = job.checkpoint()
    if state is not None:
        arrays, metadata = state
        folder.save_checkpoint(arrays, {**metadata, "seconds": repr(round(job.seconds, 3))})


@contextmanager
def begin_folder(
    out: Path | str | None, *, config: Mapping[str, Any], manifest: Mapping[str, Any]
) -> Iterator[RunFolder | None]:
    """A new run folder, held for writing; None if `out` is None. Check everything else before: this is a job's first trace.

    Raises:
        RunError: the folder holds files already or cannot be made.
    """
    if out is None:
        yield None
        return
    folder = RunFolder.create(Path(out), config=config, manifest=manifest)
    with folder.lock():
        yield folder


@contextmanager
def continue_folder(folder: RunFolder, command: str) -> Iterator[None]:
    """A run folder of one command, held for writing.

    Raises:
        RunError: another command made it, or another process holds it.
    """
    check_command(folder, command)
    with folder.lock():
        yield


def check_command(folder: RunFolder, command: str) -> None:
    """Raises RunError if another command made the folder."""
    if folder.manifest.command != command:
        raise RunError(
            f"{folder.path} was made by `neatfool {folder.manifest.command}`, not by `neatfool {command}`; choose another "
            "folder."
        )


def read_settings(folder: RunFolder, kind: type[S]) -> S:
    """The settings in a folder's `config.toml`.

    Raises:
        RunError: they are not of this kind.
    """
    try:
        return check_settings(kind, folder.config)
    except ConfigError as error:
        raise RunError(f"{folder.path / 'config.toml'} does not describe a run: {error}") from error


def read_count(folder: RunFolder, metadata: Mapping[str, str], name: str) -> int:
    """A whole number from a checkpoint's metadata.

    Raises:
        RunError: it is missing or no such number.
    """
    text = metadata.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise RunError(f"The checkpoint of {folder.path} does not say its {name}; it is damaged.")
    return int(text)


def read_seconds(folder: RunFolder, metadata: Mapping[str, str], generation: int) -> float:
    """Seconds spent on a job up to a generation; 0 where nothing sensible says it."""
    stated: Any = metadata.get("seconds")
    if stated is None:
        rows = read_rows(folder, generation)
        stated = rows[-1].get("seconds") if rows else None
    try:
        seconds = float(stated) if isinstance(stated, (str, int, float)) else 0.0
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < math.inf else 0.0


def read_rows(folder: RunFolder, generation: int) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl` up to a generation; lines that are of no generation are left out.

    Raises:
        RunError: the file is too large, or a line is not a JSON object.
    """
    rows = folder.metrics()
    return [row for row in rows if type(row.get("generation")) is int and 0 <= row["generation"] <= generation]
