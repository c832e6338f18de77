"""Real pictures of classes, for people to compare with."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from neatfool.data.folders import folder_classes
from neatfool.data.mnist import mnist_folder, read_mnist
from neatfool.data.opening import validation_folder
from neatfool.errors import DataError
from neatfool.shared.pixels import as_picture, open_picture


def example_pictures(
    root: Path | str, class_names: Sequence[str], *, classes: Collection[int], most: int
) -> dict[int, list[Image.Image]]:
    """The first pictures of classes in a data folder, whole.

    Args:
        root: MNIST's files, or a folder with a folder for each class (see `Photographs`), or with train and val.
        class_names: of all classes.
        classes: indices of those wanted.
        most: pictures of a class.

    Returns:
        Pictures by class index; a class without any is left out.

    Raises:
        DataError: there is no data set, or a picture of it cannot be decoded.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; check the path given as data.")
    if mnist_folder(folder, "test"):
        images, labels = read_mnist(folder, "test")
        found = {index: images[labels == index][:most].numpy() for index in classes}
        return {index: [as_picture(one) for one in some] for index, some in found.items() if len(some)}
    folder = validation_folder(folder)
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    pictures = {}
    for name, index in folder_classes(names, class_names).items():
        if index in classes:
            files = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in IMG_EXTENSIONS)
            if files:
                pictures[index] = [open_picture(path, channels=3) for path in files[:most]]
    if not pictures:
        raise DataError(f"{folder} holds no images of the run's classes; give a folder with a folder for each class.")
    return pictures
