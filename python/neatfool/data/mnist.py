"""MNIST, or a data set in its format."""

import os
from pathlib import Path
from typing import Literal

from torch import Tensor
from torchvision.datasets.mnist import read_image_file, read_label_file

from neatfool.errors import DataError

Split = Literal["train", "test"]

_STEMS = {"train": "train", "test": "t10k"}


def read_mnist(root: str | os.PathLike[str], split: Split) -> tuple[Tensor, Tensor]:
    """Reads MNIST, or a data set in its format, from its IDX files.

    Args:
        root: Folder that holds MNIST/raw, as torchvision lays it out, or raw, or the files themselves.
        split: 60,000 images to train on, or 10,000 to test on.

    Returns:
        uint8 images (N, 1, H, W) and int64 labels (N,).

    Raises:
        DataError: The files are missing or damaged.
    """
    folder = mnist_folder(Path(root), split)
    if folder is None:
        raise DataError(
            f"There is no MNIST in {root}; give a folder that holds MNIST/raw/{_STEMS[split]}-images-idx3-ubyte and "
            f"{_STEMS[split]}-labels-idx1-ubyte, unpacked."
        )
    tensors = []
    for path, read in zip(_files(folder, split), (read_image_file, read_label_file), strict=True):
        try:
            tensors.append(read(str(path)))
        except Exception as error:  # torchvision's reader lets many kinds of error out on bytes that are no such file
            raise DataError(
                f"{path} is damaged: its size or header is not that of an IDX file; fetch it again."
            ) from error
    images, labels = tensors
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{folder} holds {len(images)} images but {len(labels)} labels; fetch the files again.")
    return images.unsqueeze(1), labels


def mnist_folder(root: Path, split: Split) -> Path | None:
    """The folder that holds the files, in one of the three layouts of `read_mnist`."""
    folders = (root / "MNIST" / "raw", root / "raw", root)
    return next((folder for folder in folders if all(file.is_file() for file in _files(folder, split))), None)


def _files(folder: Path, split: Split) -> tuple[Path, Path]:
    stem = _STEMS[split]
    return folder / f"{stem}-images-idx3-ubyte", folder / f"{stem}-labels-idx1-ubyte"
