"""Training small classifiers, training them further, and how good they are."""

from neatfool.models import save_classifier
from neatfool.training.evaluation import Accuracy, accuracy
from neatfool.training.loop import Epoch, TrainingSettings, fit, optimise
from neatfool.training.scratch import train_classifier

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
