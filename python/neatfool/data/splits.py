"""The real images of an experiment: some to train on, others to judge by."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.data import open_dataset
from neatfool.data.datasets import ImageArray, ImageFolder, read_mnist, read_photograph
from neatfool.errors import DataError

RealImages = ImageArray | ImageFolder

_MEMORY_LIMIT = 2 * 2**30
_THREADS = min(8, os.cpu_count() or 1)


def split_images(root: str | os.PathLike[str], classifier: Classifier, *, seed: int) -> tuple[RealImages, RealImages]:
    """Opens a data set as images to train on and images to judge by.

    MNIST files are split as they come; so is a folder that holds the folders train and val. Any other folder of one
    folder a class is cut in halves: within every class, and between the classes where one has an odd image left.

    Args:
        root: the folder.
        classifier: what the images are for.
        seed: decides the halves.

    Raises:
        DataError: there is no such data set, it does not fit the classifier, or a half is empty.
    """
    folder = Path(root)
    if (folder / "train").is_dir() and (folder / "val").is_dir():
        return _open(folder / "train", classifier), _open(folder / "val", classifier)
    whole = _open(folder, classifier)
    if isinstance(whole, ImageArray):
        images, labels = read_mnist(folder, "train")
        return ImageArray(images.numpy(), labels.numpy()), whole
    train, test = _halves(labels_of(whole), seed)
    if not len(train) or not len(test):
        raise DataError(f"{folder} holds too few images to train on half of them and judge by the others; add some.")
    return (
        _in_memory(ImageFolder([whole.files[index] for index in train], classifier)),
        _in_memory(ImageFolder([whole.files[index] for index in test], classifier)),
    )


def labels_of(images: RealImages) -> NDArray[np.int64]:
    """The class of every image, int64 (N,)."""
    if isinstance(images, ImageArray):
        return images.labels
    return np.array([label for _, label in images.files], np.int64)


def read_images(images: RealImages, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The images of these indices, uint8 (n, channels, height, width)."""
    if isinstance(images, ImageArray):
        return images.images[chosen]
    with ThreadPoolExecutor(_THREADS) as pool:
        paths = [images.files[index][0] for index in chosen]
        return np.stack(list(pool.map(lambda path: read_photograph(path, images.classifier), paths)))


def _open(folder: Path, classifier: Classifier) -> RealImages:
    images = open_dataset(folder, classifier)
    if not isinstance(images, ImageArray | ImageFolder):
        raise DataError(f"{folder} cannot be split; give MNIST files or one folder of images for each class.")
    return images


def _halves(labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    train, test, odd = [], [], []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        half = len(members) // 2
        train.append(members[:half])
        test.append(members[half : 2 * half])
        odd.append(members[2 * half :])
    left = random.permutation(np.concatenate(odd))
    train.append(left[: len(left) // 2])
    test.append(left[len(left) // 2 :])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def _in_memory(images: ImageFolder) -> RealImages:
    """Decoded once, where that takes little memory."""
    size = images.classifier.channels * images.classifier.image_size[0] * images.classifier.image_size[1]
    if len(images) * size > _MEMORY_LIMIT:
        return images
    return ImageArray(read_images(images, np.arange(len(images))), labels_of(images))
