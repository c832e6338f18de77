"""A module of the width that its weights ask for, and the names of its classes."""

import logging
import os
from collections.abc import Callable, Sequence

from torch import nn

from neatfool.classifiers.layers import last_layer, seeded
from neatfool.classifiers.saving import stored_names
from neatfool.classifiers.state_dict import StateDict, load_weights, own_names, read_weights

log = logging.getLogger(__name__)

Weights = str | os.PathLike[str] | None
"""A weights file, "none" for an untrained network, or None for the model's own."""


def build_module(
    model: str,
    build: Callable[[int], nn.Module],
    weights: str | os.PathLike[str],
    names: Sequence[str],
    *,
    adapt: Callable[[StateDict], StateDict] | None = None,
) -> tuple[nn.Module, Sequence[str] | None]:
    """The module with its weights, as wide as they ask for.

    Args:
        model: Its name in messages.
        build: Makes it with some number of classes.
        weights: A weights file, or "none" for an untrained network, which is the same at every call.
        names: The classes of its own weights.
        adapt: Gives the tensors of a file the names that the module has.

    Returns:
        The module, and its class names, None if they are not known.

    Raises:
        ModelError: The file cannot be read, or does not fit.
    """
    with seeded(0):
        module = build(len(names))
    if weights == "none":
        log.warning("%s is untrained: its weights are random.", model)
        return module, names
    state, metadata = read_weights(weights)
    state = own_names(state, module)
    if adapt:
        state = adapt(state)
    n_classes = _outputs(module, state, len(names))
    if n_classes != len(names):
        with seeded(0):
            module = build(n_classes)
    load_weights(module, state, str(weights))
    return module, stored_names(metadata, n_classes) or (names if n_classes == len(names) else None)


def _outputs(module: nn.Module, state: StateDict, usual: int) -> int:
    """The number of classes in a state dict, read off the layer that gives the module's `usual` number."""
    layer = last_layer(module, usual)
    weight = state.get(f"{layer[0]}.weight") if layer else None
    # A weight of another shape does not fit anyhow, and may say that there are billions of classes.
    if layer is None or weight is None or weight.shape[1:] != layer[1].weight.shape[1:]:
        return usual
    return len(weight)
