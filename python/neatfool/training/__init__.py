"""Training small classifiers, training them further, and how good they are."""

from neatfool.training.accuracy import Accuracy, accuracy
from neatfool.training.loop import Epoch, TrainingSettings, fit, optimise, save_classifier, train_classifier

__all__ = [
    "Accuracy",
    "Epoch",
    "TrainingSettings",
    "accuracy",
    "fit",
    "optimise",
    "save_classifier",
    "train_classifier",
]
