"""Labelled images: MNIST, folders of photographs, and how they are split."""

from neatfool.data.examples import example_pictures
from neatfool.data.folders import Photographs, fit_photograph, read_photograph
from neatfool.data.labelled import ImageArray, LabelledImages, batches, labels_of, read_images
from neatfool.data.mnist import read_mnist
from neatfool.data.opening import open_dataset
from neatfool.data.splits import split_images
from neatfool.data.views import Views

__all__ = [
    "ImageArray",
    "LabelledImages",
    "Photographs",
    "Views",
    "batches",
    "example_pictures",
    "fit_photograph",
    "labels_of",
    "open_dataset",
    "read_images",
    "read_mnist",
    "read_photograph",
    "split_images",
]
