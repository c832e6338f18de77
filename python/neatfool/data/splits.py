"""The real images of an experiment: some to train on, others to judge by."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Subset

from neatfool.classifiers import Classifier
from neatfool.data.folders import Photographs
from neatfool.data.labelled import ImageArray, LabelledImages, labels_of, read_images
from neatfool.data.mnist import read_mnist
from neatfool.data.opening import open_dataset
from neatfool.errors import DataError

_MEMORY_LIMIT = 2 * 2**30


def split_images(
    root: str | os.PathLike[str], classifier: Classifier, *, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Opens a data set as images to train on and images to judge by.

    MNIST files are split as they come; so is a folder that holds the folders train and val. Any other folder of one
    folder a class is cut in halves: within every class, and between the classes where one has an odd image left.

    Args:
        root: The folder.
        classifier: What the images are for.
        seed: Decides the halves.

    Raises:
        DataError: There is no such data set, it does not fit the classifier, or a half is empty.
    """
    folder = Path(root)
    if (folder / "train").is_dir() and (folder / "val").is_dir():
        return open_dataset(folder / "train", classifier), open_dataset(folder / "val", classifier)
    whole = open_dataset(folder, classifier)
    if isinstance(whole, ImageArray):
        return ImageArray(*read_mnist(folder, "train")), whole
    train, test = _halves(labels_of(whole), seed)
    if not len(train) or not len(test):
        raise DataError(f"{folder} holds too few images to train on half of them and judge by the others; add some.")
    size = int(np.prod(classifier.image_shape))
    return _part(whole, train, size), _part(whole, test, size)


def _part(whole: Photographs, chosen: NDArray[np.int64], size: int) -> LabelledImages:
    """Some of the images, of `size` bytes each, decoded once where that takes little memory."""
    if len(chosen) * size > _MEMORY_LIMIT:
        return Subset(whole, chosen.tolist())
    return ImageArray(read_images(whole, chosen), labels_of(whole)[chosen])


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
