"""Labelled images: MNIST, folders of photographs, and how they are split."""

from neatfool.data.datasets import ImageArray, ImageFolder, LabelledImages, open_dataset, read_mnist, read_photograph
from neatfool.data.splits import RealImages, labels_of, read_images, split_images

__all__ = [
    "ImageArray",
    "ImageFolder",
    "LabelledImages",
    "RealImages",
    "labels_of",
    "open_dataset",
    "read_images",
    "read_mnist",
    "read_photograph",
    "split_images",
]
