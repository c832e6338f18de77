"""Photographs sorted into one folder per class."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import InterpolationMode, center_crop, resize

from neatfool.classifiers import FOOLING_CLASS, Classifier
from neatfool.data.labelled import Item, UInt8
from neatfool.errors import DataError
from neatfool.shared.pixels import as_pixels, open_picture

_THREADS = min(8, os.cpu_count() or 1)


class Photographs(ImageFolder):  # type: ignore[misc]
    """torchvision's `ImageFolder` for a classifier: photographs are resized and cropped, several are decoded at once.

    Folders that are called as the classes are, by name or by index, stand for these; any others, of which there must be
    as many as classes, for the classes in sorted order. There need be none for the class "fooling image".

    Args:
        root: Folder that holds a folder for each class.
        classifier: What the images are for.

    Raises:
        DataError: There are no images, or the folders do not fit the classes.
    """

    def __init__(self, root: str | os.PathLike[str], classifier: Classifier) -> None:
        self._classifier = classifier
        super().__init__(root, loader=self._load, allow_empty=True)
        if not self.samples:
            raise _nothing_in(root)
        known = classifier.n_classes - (classifier.class_names[-1] == FOOLING_CLASS)
        if len(self.classes) not in (known, classifier.n_classes):
            raise DataError(
                f"{root} has {len(self.classes)} class folders but {classifier.name} has {classifier.n_classes} classes; "
                "give one folder for each class, called as the class or its index, or sorted in the order of the classes."
            )

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """The names of the folders, and the class of each."""
        names = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not names:
            raise _nothing_in(directory)
        return names, folder_classes(names, self._classifier.class_names)

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(self.__getitem__, indices))

    def _load(self, path: str) -> torch.Tensor:
        return torch.from_numpy(read_photograph(path, self._classifier))


def folder_classes(folders: Sequence[str], class_names: Sequence[str]) -> dict[str, int]:
    """The class that each folder, in sorted order, stands for; see `Photographs`."""
    numbers = [str(index) for index in range(len(folders))]
    called = (class_names[: len(folders)], numbers)
    order = next((these for these in called if set(these) == set(folders)), folders)
    return {name: index for index, name in enumerate(order)}


def _nothing_in(root: str | os.PathLike[str]) -> DataError:
    return DataError(f"{root} holds neither MNIST files nor folders of images; give the folder that holds either.")


def read_photograph(path: str | os.PathLike[str], classifier: Classifier) -> UInt8:
    """Reads an image file as a classifier wants it, see `fit_photograph`.

    Returns:
        uint8 (channels, *image_size).

    Raises:
        DataError: The file cannot be decoded.
    """
    return fit_photograph(open_picture(path, channels=classifier.channels), classifier)


def fit_photograph(picture: Image.Image, classifier: Classifier) -> UInt8:
    """A gray or RGB picture as a classifier wants it: short side resized, or squeezed to a size, then centre cropped.

    Returns:
        uint8 (channels, *image_size).
    """
    size = classifier.resize_size
    if isinstance(size, int):
        sides = [size if classifier.crops == 1 else min(classifier.image_size)]
    else:
        sides = list(size if classifier.crops == 1 else classifier.image_size)
    resized: Any = resize(picture, sides, interpolation=InterpolationMode(classifier.interpolation), antialias=True)
    return as_pixels(center_crop(resized, list(classifier.image_size)))
