"""From a folder on disk to labelled images."""

import os
from pathlib import Path

from neatfool.classifiers import Classifier
from neatfool.data.folders import Photographs
from neatfool.data.labelled import ImageArray
from neatfool.data.mnist import mnist_folder, read_mnist
from neatfool.errors import DataError


def open_dataset(root: str | os.PathLike[str], classifier: Classifier) -> ImageArray | Photographs:
    """Opens MNIST's test set, or a folder with one folder of images per class (see `Photographs`), or with train and val.

    Raises:
        DataError: There is no data set there, or it does not fit the classifier.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; check the path given as data.")
    if mnist_folder(folder, "test"):
        return _open_mnist(folder, classifier)
    return Photographs(validation_folder(folder), classifier)


def validation_folder(folder: Path) -> Path:
    """The folder val of one that holds this or train alone, as ImageNet is laid out; any other folder itself."""
    parts = {entry.name for entry in os.scandir(folder) if entry.is_dir()}
    return folder / "val" if "val" in parts <= {"train", "val"} else folder


def _open_mnist(folder: Path, classifier: Classifier) -> ImageArray:
    images, labels = read_mnist(folder, "test")
    if tuple(images.shape[1:]) != classifier.image_shape:
        shape = "x".join(str(side) for side in classifier.image_shape)
        raise DataError(
            f"{folder} holds gray images of {images.shape[2]}x{images.shape[3]} pixels, but {classifier.name} "
            f"takes {shape}; choose another data set or model."
        )
    highest = int(labels.max())
    if highest >= classifier.n_classes:
        raise DataError(
            f"{folder} has labels up to {highest} but {classifier.name} has {classifier.n_classes} classes; choose "
            "another data set or model."
        )
    return ImageArray(images, labels)
