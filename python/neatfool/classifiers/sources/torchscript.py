"""TorchScript files, which are programs: loading one may run code of whoever made it."""

import warnings

import torch
from torch import nn

from neatfool.classifiers.building import Weights
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.sources.files import (
    FileNetwork,
    check_model_file,
    digest_of,
    make_classifier,
    read_description,
    settle_input,
)
from neatfool.errors import ModelError
from neatfool.shared.text import reason


def load_torchscript(name: str, *, weights: Weights, device: str, crops: Crops) -> Classifier:
    """A module that `torch.jit.save` wrote, see `load_classifier`.

    Raises:
        ModelError: The file cannot be loaded, or does not do what its description says.
    """
    path = check_model_file(name, weights)
    said = read_description(path)
    extra = {"class_names": ""}
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # that it is deprecated
            network: nn.Module = torch.jit.load(path, map_location="cpu", _extra_files=extra)  # type: ignore[no-untyped-call]
        network.eval()
    except Exception as error:
        raise ModelError(
            f"{path} cannot be loaded as TorchScript ({reason(error)}); write it with torch.jit.save, or, if it is a state "
            "dict, pass it as --weights of the model it is for."
        ) from error
    taken = settle_input(path, None, said, channels=_channels(network))
    module = FileNetwork(network, digest_of([path]))
    metadata = {key: value.decode() if isinstance(value, bytes) else value for key, value in extra.items()}
    return make_classifier(path, module, taken, said, metadata=metadata, device=device, crops=crops)


def _channels(network: nn.Module) -> int | None:
    """The channels that the first convolution takes; None if there is none that takes images."""
    first = next((weight.shape[1] for weight in network.parameters() if weight.ndim == 4), None)
    return first if first in (1, 3) else None
