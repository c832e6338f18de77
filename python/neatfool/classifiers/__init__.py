"""What judges the images: a network with all that is needed to feed it."""

from neatfool.classifiers.added_class import FOOLING_CLASS, add_class
from neatfool.classifiers.backends import Backend, Precision
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.eight_bits import EightBits, in_eight_bits, quantise
from neatfool.classifiers.identity import fingerprint, same_classifier
from neatfool.classifiers.names import find_class, find_classes
from neatfool.classifiers.trial import as_confidences

__all__ = [
    "FOOLING_CLASS",
    "Backend",
    "Classifier",
    "EightBits",
    "Precision",
    "add_class",
    "as_confidences",
    "find_class",
    "find_classes",
    "fingerprint",
    "in_eight_bits",
    "quantise",
    "same_classifier",
]
