"""Images that were made to fool a classifier, read back from a run or from a plain folder of pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.functional import InterpolationMode, resize

from neatfool.classifiers import Classifier, find_class
from neatfool.errors import DataError, ModelError, NeatfoolError
from neatfool.experiments.retraining.settings import COMMAND as RETRAIN
from neatfool.experiments.retraining.state import load_last_network
from neatfool.models import ModelConfig
from neatfool.runs import RunFolder, check_same, load_model, read_elites
from neatfool.search import Run
from neatfool.shared.pixels import read_picture
from neatfool.shared.settings import check_settings

log = logging.getLogger(__name__)

_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
_RESAMPLE_AT_ONCE = 64


@dataclass(frozen=True)
class FoolingImages:
    """Images, each with the class it was made for.

    Attributes:
        name: the folder's name.
        images: uint8 (N, channels, height, width).
        classes: class of each, shape (N,), int64.
        class_names: names of all classes by index.
        model: name of the classifier they were made for; None for a plain folder.
        weights_hash: hash of its weights, or None.
        confidence: its confidence in the class of each image, float32 (N,), or None.
        source: that classifier, or None where it is unknown or cannot be loaded.
    """

    name: str
    images: NDArray[np.uint8]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    model: str | None = None
    weights_hash: str | None = None
    confidence: NDArray[np.float32] | None = None
    source: Classifier | None = None


def read_fooling_images(source: Run | RunFolder | Path | str, class_names: Sequence[str]) -> FoolingImages:
    """The images of a run, of a run folder, or of a plain folder.

    A plain folder holds pictures called `<class>.png`, or one folder of pictures for each class; a class is an index or
    (part of) a class name. Folders that are no such names, but as many as there are classes, stand for the classes in
    sorted order. All pictures must be equally large.

    Args:
        source: the run or the folder.
        class_names: what the classes of a plain folder are called.

    Raises:
        DataError: the folder holds no pictures, or one that cannot be used.
        RunError: the run is damaged.
    """
    if isinstance(source, Run):
        return _of_run(source)
    if isinstance(source, RunFolder):
        return _read_run(source)
    folder = Path(source)
    if RunFolder.exists(folder):
        return _read_run(RunFolder.open(folder))
    files = _labelled_files(folder, class_names)
    pictures = [read_picture(file) for file, _ in files]
    for picture, (file, _) in zip(pictures, files, strict=True):
        if picture.shape != pictures[0].shape:
            raise DataError(
                f"{file} is {_describe(picture.shape)} but {files[0][0]} is {_describe(pictures[0].shape)}; make all "
                "pictures of the folder equally large, and all gray or all in colour."
            )
    classes = np.array([class_index for _, class_index in files], np.int64)
    return FoolingImages(folder.resolve().name, np.stack(pictures), classes, tuple(class_names))


def fit_images(images: NDArray[np.uint8], classifier: Classifier) -> NDArray[np.uint8]:
    """Images in the size a classifier takes: whole pictures, resampled bilinearly with antialiasing, nothing cropped.

    Args:
        images: uint8 (N, channels, height, width).
        classifier: what they are for.

    Returns:
        uint8 (N, channels, *classifier.image_size); the images themselves if they fit already.

    Raises:
        ModelError: the images are gray and the classifier takes colour, or the other way round.
    """
    if images.shape[1] != classifier.channels:
        kinds = {1: "gray", 3: "colour"}
        raise ModelError(
            f"The images are {kinds[images.shape[1]]} but {classifier.name} takes {kinds[classifier.channels]} images; "
            "choose a classifier of the same kind of images."
        )
    if images.shape[2:] == classifier.image_size:
        return images
    size = list(classifier.image_size)
    parts = [
        resize(
            torch.from_numpy(images[start : start + _RESAMPLE_AT_ONCE]),
            size,
            InterpolationMode.BILINEAR,
            antialias=True,
        )
        for start in range(0, len(images), _RESAMPLE_AT_ONCE)
    ]
    fitted: NDArray[np.uint8] = torch.cat(parts).numpy()
    return fitted


def _of_run(run: Run) -> FoolingImages:
    archive, known = run.archive, isinstance(run.judge, Classifier)
    return FoolingImages(
        run.folder.path.resolve().name if run.folder else f"run of seed {run.config.seed}",
        archive.pixels(),
        archive.classes,
        archive.class_names,
        run.judge.name,
        run.classifier.weights_hash() if known else None,
        archive.confidence,
        run.classifier if known else None,
    )


def _read_run(folder: RunFolder) -> FoolingImages:
    manifest = folder.manifest
    elites = read_elites(folder)
    if not len(elites):
        raise DataError(f"{folder.path} has no images yet; let it reach its first checkpoint.")
    return FoolingImages(
        folder.path.resolve().name,
        elites.pixels(),
        elites.classes,
        manifest.class_names,
        manifest.model,
        manifest.weights_hash,
        elites.confidence,
        _load_source(folder),
    )


def _load_source(folder: RunFolder) -> Classifier | None:
    """The classifier a run's images were made for; None, with a warning, where it cannot be had."""
    try:
        if folder.manifest.command == RETRAIN:
            return load_last_network(folder)
        classifier = load_model(folder, check_settings(ModelConfig, folder.config.get("model", {})))
        check_same(folder, classifier)
    except NeatfoolError as error:
        log.warning("%s: its own classifier cannot be loaded, so there is no agreement with it: %s", folder.path, error)
        return None
    return classifier


def _labelled_files(folder: Path, class_names: Sequence[str]) -> list[tuple[Path, int]]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give a run folder or a folder of pictures.")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in _PICTURES and file.is_file())
    if files:
        return [(file, _class_of(file, file.stem, class_names)) for file in files]
    parts = {part: _pictures_in(part) for part in sorted(folder.iterdir()) if part.is_dir()}
    if not any(parts.values()):
        raise DataError(
            f"{folder} is no run folder and holds no pictures called <class>.png, nor a folder for each class."
        )
    labels = _labels_of(list(parts), class_names)
    return [(file, label) for label, files in zip(labels, parts.values(), strict=True) for file in files]


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _PICTURES and file.is_file())


def _labels_of(folders: list[Path], class_names: Sequence[str]) -> list[int]:
    try:
        return [_class_of(folder, folder.name, class_names) for folder in folders]
    except DataError:
        if len(folders) != len(class_names):
            raise
        return list(range(len(folders)))


def _class_of(path: Path, name: str, class_names: Sequence[str]) -> int:
    try:
        return find_class(class_names, name)
    except ModelError as error:
        raise DataError(f"{path} is not called by a class: {error}") from error


def _describe(shape: tuple[int, ...]) -> str:
    return f"{shape[2]}x{shape[1]} pixels, {'gray' if shape[0] == 1 else 'colour'}"
