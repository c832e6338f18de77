"""Which classifier is the same as which."""

from neatfool.classifiers.classifier import Classifier


def same_classifier(one: Classifier, other: Classifier) -> bool:
    """Whether two classifiers give every image the same confidences."""
    return one.preprocessing() == other.preprocessing() and one.fingerprint() == other.fingerprint()
