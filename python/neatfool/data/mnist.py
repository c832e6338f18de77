"""Labelled images: MNIST files, and folders of photographs sorted into one folder per class."""

import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS, find_classes, make_dataset
from torchvision.transforms.functional import InterpolationMode, center_crop, resize

from neatfool.classifiers import FOOLING_CLASS, Classifier
from neatfool.errors import DataError

UInt8 = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

_STEMS = {"train": "train", "test": "t10k"}
_THREADS = min(8, os.cpu_count() or 1)


class LabelledImages(Protocol):
    """Images that fit one classifier, with the right class of each."""

    def __len__(self) -> int: ...

    def batches(self, size: int) -> Iterator[tuple[UInt8, Labels]]:
        """Yields uint8 (n, C, H, W) and int64 (n,), n = `size` but for the last."""


@dataclass(frozen=True)
class ImageArray:
    """Labelled images in memory: uint8 (N, C, H, W) and int64 (N,)."""

    images: UInt8
    labels: Labels

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, size: int) -> Iterator[tuple[UInt8, Labels]]:
        """See `LabelledImages.batches`."""
        for start in range(0, len(self), size):
            yield self.images[start : start + size], self.labels[start : start + size]


@dataclass(frozen=True)
class ImageFolder:
    """Labelled image files, decoded by threads one batch ahead, resized and cropped for a classifier."""

    files: list[tuple[str, int]]
    classifier: Classifier

    def __len__(self) -> int:
        return len(self.files)

    def batches(self, size: int) -> Iterator[tuple[UInt8, Labels]]:
        """See `LabelledImages.batches`; photographs are decoded a batch ahead."""
        groups = [self.files[start : start + size] for start in range(0, len(self), size)]
        with ThreadPoolExecutor(_THREADS) as pool:
            reading = [pool.submit(read_photograph, path, self.classifier) for path, _ in groups[0]]
            for position, group in enumerate(groups):
                ahead = groups[position + 1] if position + 1 < len(groups) else []
                waiting, reading = reading, [pool.submit(read_photograph, path, self.classifier) for path, _ in ahead]
                images = np.stack([future.result() for future in waiting])
                yield images, np.array([label for _, label in group], dtype=np.int64)


def read_photograph(path: str | os.PathLike[str], classifier: Classifier) -> UInt8:
    """Reads an image file as a classifier wants it: short side resized, centre cropped, gray or RGB.

    Returns:
        uint8 (channels, *image_size).

    Raises:
        DataError: The file cannot be decoded.
    """
    try:
        with Image.open(path) as file:
            image = file.convert("L" if classifier.channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image ({error}); replace or remove the file.") from error
    short = classifier.resize_size if classifier.crops == 1 else min(classifier.image_size)
    image = resize(image, [short], interpolation=InterpolationMode(classifier.interpolation), antialias=True)
    pixels = np.array(center_crop(image, list(classifier.image_size)), dtype=np.uint8)
    return pixels[np.newaxis] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def open_dataset(root: str | os.PathLike[str], classifier: Classifier) -> LabelledImages:
    """Opens MNIST's test set, or a folder with one folder of images per class, in the order of the classes.

    Raises:
        DataError: There is no data set there, or it does not fit the classifier.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; check the path given as data.")
    if _mnist_folder(folder, "test"):
        images, labels = read_mnist(folder, "test")
        if tuple(images.shape[1:]) != (classifier.channels, *classifier.image_size):
            shape = "x".join(str(side) for side in (classifier.channels, *classifier.image_size))
            raise DataError(
                f"{folder} holds gray images of {images.shape[2]}x{images.shape[3]} pixels, but {classifier.name} "
                f"takes {shape}; choose another data set or model."
            )
        return _check_labels(ImageArray(images.numpy(), labels.numpy()), folder, classifier)
    try:
        names, index = find_classes(folder)
        files = make_dataset(folder, index, extensions=IMG_EXTENSIONS, allow_empty=True)
    except FileNotFoundError:
        files = []
    if not files:
        raise DataError(f"{folder} holds neither MNIST files nor folders of images; give the folder that holds either.")
    known = classifier.n_classes - (classifier.class_names[-1] == FOOLING_CLASS)
    if len(names) not in (known, classifier.n_classes):
        raise DataError(
            f"{folder} has {len(names)} class folders but {classifier.name} has {classifier.n_classes} classes; give "
            "one folder for each class, sorted in the order of the classes."
        )
    return ImageFolder(files, classifier)


def read_mnist(root: str | os.PathLike[str], split: Literal["train", "test"]) -> tuple[Tensor, Tensor]:
    """Reads MNIST, or a data set in its format, from its IDX files.

    Args:
        root: Folder that holds MNIST/raw, as torchvision lays it out, or raw, or the files themselves.
        split: 60,000 images to train on, or 10,000 to test on.

    Returns:
        uint8 images (N, 1, H, W) and int64 labels (N,).

    Raises:
        DataError: The files are missing or damaged.
    """
    folder = _mnist_folder(Path(root), split)
    if folder is None:
        raise DataError(
            f"There is no MNIST in {root}; give a folder that holds MNIST/raw/{_STEMS[split]}-images-idx3-ubyte and "
            f"{_STEMS[split]}-labels-idx1-ubyte, unpacked."
        )
    images = _read_idx(folder / f"{_STEMS[split]}-images-idx3-ubyte", 3)
    labels = _read_idx(folder / f"{_STEMS[split]}-labels-idx1-ubyte", 1)
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{folder} holds {len(images)} images but {len(labels)} labels; fetch the files again.")
    return images.unsqueeze(1), labels.long()


def _mnist_folder(root: Path, split: str) -> Path | None:
    stem = _STEMS[split]
    for folder in (root / "MNIST" / "raw", root / "raw", root):
        if (folder / f"{stem}-images-idx3-ubyte").is_file() and (folder / f"{stem}-labels-idx1-ubyte").is_file():
            return folder
    return None


def _read_idx(path: Path, ndim: int) -> Tensor:
    """Reads unsigned bytes in the IDX format: a magic number, `ndim` big-endian sizes, the values."""
    content = path.read_bytes()
    header = 4 + 4 * ndim
    if len(content) >= header:
        magic, *sizes = struct.unpack(f">{1 + ndim}I", content[:header])
        if magic == 0x0800 + ndim and len(content) - header == np.prod(sizes, dtype=object):
            return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(sizes).copy())
    raise DataError(f"{path} is damaged: its size or header is not that of an IDX file; fetch it again.")


def _check_labels(dataset: ImageArray, folder: Path, classifier: Classifier) -> ImageArray:
    highest = int(dataset.labels.max())
    if highest >= classifier.n_classes:
        raise DataError(
            f"{folder} has labels up to {highest} but {classifier.name} has {classifier.n_classes} classes; choose "
            "another data set or model."
        )
    return dataset
