"""What judges images: wrapped networks, their weights and their data."""

from neatfool.classifiers.accuracy import Accuracy, accuracy
from neatfool.classifiers.classifier import Classifier, find_class
from neatfool.classifiers.datasets import ImageArray, open_dataset, read_mnist
from neatfool.classifiers.loading import ModelInfo, list_models, load_classifier

__all__ = [
    "Accuracy",
    "Classifier",
    "ImageArray",
    "ModelInfo",
    "accuracy",
    "find_class",
    "list_models",
    "load_classifier",
    "open_dataset",
    "read_mnist",
]
