"""What judges the images: classifiers, where they come from, and how good they are."""

from neatfool.classifiers.accuracy import Accuracy, accuracy
from neatfool.classifiers.classifier import Classifier, find_class
from neatfool.classifiers.datasets import ImageArray, LabelledImages, open_dataset, read_mnist
from neatfool.classifiers.loading import ModelInfo, list_models, load_classifier
from neatfool.classifiers.training import (
    Epoch,
    TrainingSettings,
    add_class,
    fit,
    save_classifier,
    train_classifier,
)

__all__ = [
    "Accuracy",
    "Classifier",
    "Epoch",
    "ImageArray",
    "LabelledImages",
    "ModelInfo",
    "TrainingSettings",
    "accuracy",
    "add_class",
    "find_class",
    "fit",
    "list_models",
    "load_classifier",
    "open_dataset",
    "read_mnist",
    "save_classifier",
    "train_classifier",
]
