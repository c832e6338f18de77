"""What a weights file of ours says besides the weights."""

import json
import os
from collections.abc import Mapping

from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.state_dict import write_weights

_CLASS_NAMES = "class_names"


def save_classifier(classifier: Classifier, path: str | os.PathLike[str], *, notes: Mapping[str, str]) -> None:
    """Writes a classifier's weights as safetensors, for `load_classifier(name, weights=path)`.

    Args:
        classifier: What to save.
        path: File to write, ending in .safetensors.
        notes: What should be known about the weights, such as how they were made and their accuracy.

    Raises:
        ModelError: The file cannot be written.
    """
    names = json.dumps(list(classifier.class_names))
    write_weights(path, classifier.module, {"model": classifier.name, _CLASS_NAMES: names, **notes})


def stored_names(metadata: Mapping[str, str], n_classes: int) -> list[str] | None:
    """The class names in a weights file's metadata; None unless there is one for every class."""
    try:
        names = json.loads(metadata.get(_CLASS_NAMES, "null"))
    except (ValueError, RecursionError):
        return None
    fits = isinstance(names, list) and len(names) == n_classes and all(isinstance(name, str) for name in names)
    return names if fits else None
