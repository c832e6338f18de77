"""From runs to a data set on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers.names import settle_names
from neatfool.errors import ConfigError, DataError, RunError
from neatfool.experiments.export.card import write_card
from neatfool.experiments.export.dataset import DataSet, label_images
from neatfool.experiments.export.formats import (
    OnImage,
    check_one_shape,
    write_arrays,
    write_hugging_face,
    write_image_folder,
)
from neatfool.experiments.export.kinship import find_groups, thumbnails
from neatfool.experiments.export.result import ExportResult
from neatfool.experiments.export.sources import RunImages, Source, read_run
from neatfool.experiments.export.splitting import split_groups, wanted_count
from neatfool.runs import RunFolder, StopRequestedError
from neatfool.search import Run
from neatfool.shared.progress import OnProgress, Progress, Stop

Form = Literal["imagefolder", "npz", "hf"]
Label = Literal["class", "fooling"]

_WRITERS: dict[str, Callable[[DataSet, Path, OnImage], None]] = {
    "imagefolder": write_image_folder,
    "npz": write_arrays,
    "hf": write_hugging_face,
}
_UNFINISHED = ".unfinished"
_AT_ONCE = 64


def export(
    source: Source | Sequence[Source],
    out: Path | str,
    *,
    form: Form = "imagefolder",
    label: Label = "class",
    validation: float = 0.2,
    min_confidence: float = 0.5,
    seed: int = 0,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> ExportResult:
    """Writes the fooling images of one run or several as a data set, with a data card. No classifier is loaded.

    Relatives and near-copies, see `find_groups`, never lie on both sides of the split.

    Args:
        source: a run of `evolve`, or the folder of one, of `ascend` or of `retrain`; or several of these.
        out: the folder to write, new or empty.
        form: "imagefolder" for torchvision's reader, "npz" for numpy's, "hf" for that of Hugging Face.
        label: "class", the class an image was evolved for, or "fooling", one more class for all of them.
        validation: share of the images for validation, in [0, 1).
        min_confidence: leave out images whose model is less confident, in [0, 1]. From one half up no other class can be
            likelier.
        seed: of the split.
        progress: told about every image that was compared or written.
        stop: asked between images; True ends there, and nothing is left.

    Raises:
        ConfigError: an option is out of range, or the images do not fit the form.
        DataError: there are no images, or none is left.
        RunError: a run is damaged, or `out` holds files or cannot be written.
        StopRequestedError: `stop` said so.
    """
    _check(form, label, validation, min_confidence)
    out = Path(out)
    _check_unused(out)
    sources = [source] if isinstance(source, str | Path | RunFolder | Run) else list(source)
    if not sources:
        raise ConfigError("There are no runs to export; give at least one.")
    runs = [read_run(one) for one in sources]
    names = settle_names([run.name for run in runs], len(runs), "The export")
    runs = [replace(run, name=name) for run, name in zip(runs, names, strict=True)]
    chosen = [np.flatnonzero(run.confidence >= np.float32(min_confidence)) for run in runs]
    images, left_out = sum(map(len, chosen)), sum(len(run.classes) for run in runs) - sum(map(len, chosen))
    if not images:
        best = max(float(run.confidence.max()) for run in runs)
        raise DataError(
            f"No image reaches a confidence of {min_confidence:g}, the best has {best:.4g}; lower --min-confidence or "
            "evolve for longer."
        )
    label_names, labels = label_images(runs, chosen, fooling=label == "fooling")
    small = _compare(runs, chosen, images, progress, stop)
    groups = find_groups(runs, chosen, small)
    data = DataSet(
        runs=tuple(runs),
        chosen=tuple(chosen),
        run=np.repeat(np.arange(len(runs)), [len(rows) for rows in chosen]),
        row=np.concatenate(chosen),
        label_names=label_names,
        labels=labels,
        groups=groups,
        validation=split_groups(groups, share=validation, seed=seed),
    )
    if form == "npz":
        check_one_shape(data)
    notes = tuple(_notes(data, left_out, validation, min_confidence))
    result = ExportResult(out=out, form=form, data=data, left_out=left_out, notes=notes)
    with _whole_or_nothing(out) as folder:
        _WRITERS[form](data, folder, _counter("writing", images, progress, stop))
        options = {"label": label, "validation": validation, "min_confidence": min_confidence, "seed": seed}
        write_card(result, folder / "README.md", options)
    return result


def _check(form: str, label: str, validation: float, min_confidence: float) -> None:
    if form not in _WRITERS:
        raise ConfigError(f"{form!r} is no form of a data set; choose {', '.join(_WRITERS)}.")
    if label not in get_args(Label):
        raise ConfigError(f"{label!r} is no kind of label; choose {', '.join(get_args(Label))}.")
    if not 0 <= validation < 1:
        raise ConfigError(f"The share for validation is at least 0 and less than 1, not {validation}.")
    if not 0 <= min_confidence <= 1:
        raise ConfigError(f"The lowest confidence is from 0 to 1, not {min_confidence}.")


def _compare(
    runs: Sequence[RunImages],
    chosen: Sequence[NDArray[np.int64]],
    images: int,
    progress: OnProgress | None,
    stop: Stop | None,
) -> NDArray[np.uint8]:
    """The thumbnails of all images, drawn a few at a time."""
    counted = _counter("comparing", images, progress, stop)
    parts = []
    for run, rows in zip(runs, chosen, strict=True):
        for start in range(0, len(rows), _AT_ONCE):
            parts.append(thumbnails(run.draw(rows[start : start + _AT_ONCE])))
            for _ in parts[-1]:
                counted()
    return np.concatenate(parts)


def _counter(task: str, total: int, progress: OnProgress | None, stop: Stop | None) -> OnImage:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(Progress(task=f"export, {task}", unit="images", done=done, total=total))
        if stop and stop():
            raise StopRequestedError

    return count


def _notes(data: DataSet, left_out: int, validation: float, min_confidence: float) -> Iterator[str]:
    if left_out:
        yield f"{left_out:,} of {left_out + len(data):,} images are left out: their confidence is below {min_confidence:g}."
    wanted, got = wanted_count(len(data), validation), int(data.validation.sum())
    if got < wanted:
        largest = int(np.bincount(data.groups).max())
        yield (
            f"{got:,} of {len(data):,} images are for validation, not {wanted:,}: relatives and near-copies stay together, and "
            f"the largest group of them has {largest:,}; add runs of other seeds for a larger share."
        )
    elif validation and not wanted:
        yield f"Nothing is for validation: {validation:g} of {len(data):,} images is less than one."


def _check_unused(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; choose another --out.")
    try:
        used = out.is_dir() and any(part.name != _UNFINISHED or part.is_symlink() for part in out.iterdir())
    except OSError as error:
        raise RunError(f"The folder {out} cannot be read ({error.strerror or error}); choose another --out.") from error
    if used:
        raise RunError(f"{out} already holds files; choose another --out.")


@contextmanager
def _whole_or_nothing(out: Path) -> Iterator[Path]:
    """Gives a hidden folder within `out` to fill, and moves what is in it to `out` at the end, what is trained with last.

    What a killed process left there is replaced by the next.
    """
    unfinished, new = out / _UNFINISHED, not out.exists()
    try:
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
            for part in sorted(unfinished.iterdir(), key=lambda part: part.name.startswith("train")):
                part.replace(out / part.name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            if new and not any(out.iterdir()):
                out.rmdir()
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror or error}.") from error
