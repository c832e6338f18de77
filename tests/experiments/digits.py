"""Small data sets in MNIST's format."""

import struct
from pathlib import Path

import numpy as np


def write_digits(folder: Path, stem: str, count: int) -> None:
    """Bars at a height that depends on the class, in MNIST's format."""
    random = np.random.default_rng(count)
    labels = np.arange(count, dtype=np.uint8) % 10
    images = np.zeros((count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label : 5 + 2 * label, 4:24] = random.integers(200, 256, (3, 20))
    for name, values in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):
        header = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
        (folder / name).write_bytes(header + values.tobytes())
