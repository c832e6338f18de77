"""One more class: how a network learns to say "fooling image"."""

import copy

import torch
from torch import nn

from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.layers import last_layer, seeded
from neatfool.classifiers.outputs import BINARY
from neatfool.errors import ModelError

FOOLING_CLASS = "fooling image"
"""Name of the class that retraining adds, for which data sets have no folder."""


def add_class(classifier: Classifier, name: str, *, seed: int) -> Classifier:
    """A copy of a classifier with one more class, whose weights in the last layer are newly drawn.

    All other weights, and thus the logits of the known classes, stay as they are.

    Raises:
        ModelError: The module has no last linear layer or 1x1 convolution to widen.
    """
    module = copy.deepcopy(classifier.module)
    found = None if classifier.outputs in BINARY else last_layer(module, classifier.n_classes)
    if found is None:
        raise ModelError(
            f"{classifier.name} cannot get another class, because it does not end in a linear layer of torch with an output "
            "for each; what is loaded from a model file has no layers."
        )
    path, old = found
    with seeded(seed):
        new = copy.deepcopy(old)
        if isinstance(new, nn.Linear):
            new.out_features += 1
        else:
            new.out_channels += 1
        new.weight = nn.Parameter(old.weight.new_empty((classifier.n_classes + 1, *old.weight.shape[1:])))
        if old.bias is not None:
            new.bias = nn.Parameter(old.bias.new_empty(classifier.n_classes + 1))
        new.reset_parameters()
    with torch.no_grad():
        new.weight[:-1] = old.weight
        if new.bias is not None and old.bias is not None:
            new.bias[:-1] = old.bias
    module.set_submodule(path, new)
    return classifier.with_module(module, (*classifier.class_names, name))
