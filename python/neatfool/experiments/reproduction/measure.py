"""All the paper's rows, one after the other, beside what the paper reports."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from neatfool.errors import ConfigError, RunError
from neatfool.experiments.reproduction.context import Context
from neatfool.experiments.reproduction.plan import plan_rows, spans_of
from neatfool.experiments.reproduction.result import Reproduction, Row
from neatfool.experiments.reproduction.rows import EXPERIMENTS
from neatfool.experiments.reproduction.settings import COMMAND, SCALES, ReproductionConfig
from neatfool.models import ModelConfig
from neatfool.runs import (
    RunFolder,
    begin_folder,
    check_command,
    check_trust,
    continue_folder,
    describe,
    read_settings,
    run_job,
)
from neatfool.shared.progress import OnProgress, Progress, Stop


def reproduce(
    what: Literal["mnist", "imagenet"],
    *,
    data: str | Path,
    out: str | Path,
    scale: Literal["smoke", "small", "full"] = "small",
    rows: Sequence[int] | None = None,
    model: ModelConfig | None = None,
    other: ModelConfig | None = None,
    seed: int = 0,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Reproduction:
    """Runs the paper's experiments and tabulates them.

    Called again with the same folder and settings it keeps the rows that are done and goes on with the next.

    Args:
        what: "mnist" (rows 1, 2, 5, 6, 7, 9, 10, 11) or "imagenet" (rows 3 to 6 and 8 to 10).
        data: MNIST's files, or a folder with one folder of photographs a class.
        out: folder for the runs, figures, `reproduction.md` and `reproduction.html`.
        scale: "smoke" (a minute), "small" or "full".
        rows: only these.
        model: the network to fool; the built-in LeNet, or AlexNet as in the paper.
        other: the network that images are transferred to on ImageNet; VGG-16 if None.
        seed: of everything.
        progress: told what goes on.
        stop: asked between and within rows; True ends there, to be continued.

    Raises:
        ConfigError: there is no such scale or row, or the folder was begun with other settings.
        ModelError: the network cannot be loaded.
        RunError: the folder holds something else, or cannot be written.
    """
    experiments = EXPERIMENTS[what]
    if scale not in SCALES[what]:
        raise ConfigError(f"There is no scale {scale!r}; choose {', '.join(SCALES[what])}.")
    if unknown := sorted(set(rows or ()) - set(experiments)):
        known = ", ".join(str(number) for number in experiments)
        raise ConfigError(f"{what} has no row {unknown[0]}; its rows are {known}.")
    config = ReproductionConfig(
        what=what,
        scale=scale,
        data=str(Path(data).resolve()),
        model=model or ModelConfig(name="lenet-mnist" if what == "mnist" else "alexnet"),
        other=other or ModelConfig(name="vgg16"),
        seed=seed,
        rows=tuple(sorted(set(rows or experiments))),
    )
    if RunFolder.exists(Path(out)):
        folder = RunFolder.open(Path(out))
        check_command(folder, COMMAND)
        _check_same_settings(folder, config)
        return resume_reproduction(folder, rows=config.rows, progress=progress, stop=stop)
    manifest = describe(config.model.load(), command=COMMAND)
    with begin_folder(out, config=config.model_dump(), manifest=manifest) as new:
        assert new is not None  # noqa: S101  # `out` was given
        return _run(_Reproduction(config, new), progress, stop)


def resume_reproduction(
    source: Path | str | RunFolder,
    *,
    rows: Sequence[int] = (),
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Reproduction:
    """Does the rows that were asked for and are not done, with the settings that the folder was begun with.

    Args:
        source: the folder.
        rows: further rows to do.
        progress: told what goes on.
        stop: asked between and within rows; True ends there, to be continued.

    Raises:
        RunError: the folder is no reproduction, or is damaged.
    """
    folder = RunFolder.of(source)
    with continue_folder(folder, COMMAND):
        config = read_settings(folder, ReproductionConfig)
        for model in (config.model, config.other):
            check_trust(folder, model)
        wanted = tuple(sorted({*config.rows, *rows}))
        if unknown := sorted(set(wanted) - set(EXPERIMENTS[config.what])):
            raise RunError(
                f"{folder.path / 'config.toml'} asks for row {unknown[0]}, which {config.what} does not have."
            )
        if wanted != config.rows:
            folder.update_config(rows=wanted)
            config = config.model_copy(update={"rows": wanted})
        return _run(_Reproduction(config, folder), progress, stop)


class _Reproduction:
    """A reproduction between two rows; a `Job`."""

    def __init__(self, config: ReproductionConfig, folder: RunFolder) -> None:
        self.folder: RunFolder | None = folder
        self.seconds = 0.0
        self._config = config
        self._out = folder.path
        self._trusted = folder.trusted
        self._rows: dict[int, Row] = {row.row: row for row in _read_rows(folder)} if folder.has_checkpoint else {}
        self._plan = plan_rows(config)
        self._task = "reproducing"

    @property
    def done(self) -> bool:
        """See `Job.done`."""
        return self._next() is None

    def result(self, folder: RunFolder) -> Reproduction:
        """The rows that are done, in the paper's order."""
        rows = tuple(self._rows[number] for number in sorted(self._rows))
        return Reproduction(self._config.what, self._config.scale, rows, self.done, folder)

    def step(self, progress: OnProgress, stop: Stop) -> None:
        """Does a row; see `Job.step`."""
        number = self._next()
        assert number is not None  # noqa: S101  # it is not done
        experiment, paper, make = EXPERIMENTS[self._config.what][number]
        self._task = f"row {number}: {experiment}"
        progress(self.progress())
        begin, before = time.perf_counter(), self._share()
        spans = spans_of(self._plan[number], before, before + self._share_of(number))
        outcome = make(Context(self._config, self._out, self._trusted, self._task, progress, stop, spans))
        spent = round(time.perf_counter() - begin, 3)
        self._rows[number] = Row(number, experiment, paper, seconds=spent, **outcome._asdict())
        if self.folder:
            self.result(self.folder).write()

    def progress(self) -> Progress:
        """See `Job.progress`."""
        wanted = self._config.rows
        done = sum(number in self._rows for number in wanted)
        return Progress(task=self._task, unit="rows", done=done, total=len(wanted), share=self._share())

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """See `Job.checkpoint`; the runs of the rows are in folders of their own."""
        return {}, {"rows": json.dumps([asdict(row) for row in self._rows.values()])}

    def write(self) -> None:
        """Writes the table."""
        if self.folder:
            self.result(self.folder).write()

    def _share(self) -> float:
        """Of all that is planned, what is done."""
        return min(1.0, sum(self._share_of(number) for number in self._plan if number in self._rows))

    def _share_of(self, number: int) -> float:
        return sum(self._plan[number].values()) / (sum(sum(parts.values()) for parts in self._plan.values()) or 1)

    def _next(self) -> int | None:
        return next((number for number in self._config.rows if number not in self._rows), None)


def _run(job: _Reproduction, progress: OnProgress | None, stop: Stop | None) -> Reproduction:
    run_job(job, progress=progress, stop=stop)
    assert job.folder is not None  # noqa: S101  # a reproduction always has one
    return job.result(job.folder)


def _read_rows(folder: RunFolder) -> list[Row]:
    _, metadata = folder.load_checkpoint(())
    try:
        return TypeAdapter(list[Row]).validate_json(metadata.get("rows", ""))
    except ValidationError as error:
        raise RunError(
            f"The checkpoint of {folder.path} does not hold the rows of a reproduction; it is damaged."
        ) from error


def _check_same_settings(folder: RunFolder, config: ReproductionConfig) -> None:
    before = read_settings(folder, ReproductionConfig)
    for name in ("what", "scale", "seed", "data", "model", "other"):
        ours, theirs = getattr(config, name), getattr(before, name)
        if name == "model" or name == "other":
            ours, theirs = ours.model_copy(update={"device": ""}), theirs.model_copy(update={"device": ""})
        if ours != theirs:
            shown = [one.name if isinstance(one, ModelConfig) else one for one in (theirs, ours)]
            raise ConfigError(
                f"{folder.path} was begun with another {name} ({shown[0]} instead of {shown[1]}); choose another --out, or "
                "continue it with `neatfool resume`."
            )
