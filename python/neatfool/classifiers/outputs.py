"""What networks return: the tensor that counts, its form, and one logit for two classes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from neatfool.classifiers.preprocessing import Outputs

BINARY = ("binary-logit", "binary-probability")
"""Kinds of outputs that are one number per image, about the second of two classes."""


def pick_outputs(returned: object) -> object:
    """The tensor among what a module returned that says how likely each class is.

    Of a mapping, as models of transformers return, "logits" (also as an attribute), else the only tensor of two dimensions; of
    a tuple or list the first tensor. What holds no such tensor is returned as it is.
    """
    if isinstance(returned, Tensor):
        return returned
    if isinstance(named := getattr(returned, "logits", None), Tensor):
        return named
    if isinstance(returned, Mapping):
        if isinstance(returned.get("logits"), Tensor):
            return returned["logits"]
        flat = [value for value in returned.values() if isinstance(value, Tensor) and value.ndim == 2]
        return flat[0] if len(flat) == 1 else returned
    if isinstance(returned, tuple | list):
        return next((value for value in returned if isinstance(value, Tensor)), returned)
    return returned


def as_columns(outputs: object, kind: Outputs) -> object:
    """Outputs with a column for each class: (N, 1) or (N,) of a binary kind become (N, 2), in logits or probabilities.

    Raises:
        ValueError: A binary kind has another shape.
    """
    if kind not in BINARY or not isinstance(outputs, Tensor):
        return outputs
    if outputs.ndim not in (1, 2) or outputs.shape[1:] not in ((), (1,)):
        raise ValueError(f"outputs={kind!r} means one number per image, not shape {tuple(outputs.shape)}")
    second = outputs.reshape(-1, 1)
    first = torch.zeros_like(second) if kind == "binary-logit" else 1 - second
    return torch.cat([first, second], 1)


def outputs_fault(outputs: object, count: int, n_classes: int | None = None) -> str | None:
    """What is wrong with the form of a network's outputs, as the end of a sentence about it; None if nothing is.

    Args:
        outputs: What it returned.
        count: Images that it was shown.
        n_classes: Its number of classes; None if that is not known yet.
    """
    wanted = f"({count}, {n_classes or 'classes'})"
    if isinstance(outputs, Mapping):
        names = ", ".join(map(str, list(outputs)[:5]))
        return f"returns a {type(outputs).__name__} of {names or 'nothing'} with neither logits nor a single tensor {wanted}"
    if not isinstance(outputs, Tensor):
        return f"returns a {type(outputs).__name__} instead of a tensor {wanted}"
    if outputs.layout != torch.strided or outputs.is_meta or outputs.is_quantized or outputs.is_complex():
        kind = "meta" if outputs.is_meta else f"{outputs.layout} {outputs.dtype}".replace("torch.", "")
        return f"returns a {kind} tensor instead of a plain one {wanted}"
    sizes = tuple(outputs.shape)
    if len(sizes) != 2 or 0 in sizes or sizes[0] != count or n_classes not in (None, sizes[1]):
        return f"returns shape {sizes} for {count} images instead of {wanted}"
    return None


def are_probabilities(outputs: Tensor) -> bool:
    """Whether no number is negative and every row sums to 1."""
    return bool((outputs >= 0).all()) and bool(((outputs.float().sum(1) - 1).abs() < 1e-3).all())


def kind_fault(outputs: Tensor, kind: Outputs) -> str | None:
    """What is wrong with outputs that are said to be of a kind, as the end of a sentence; None if nothing is."""
    if kind == "logits" and are_probabilities(outputs):
        return (
            'returns probabilities (each row sums to 1), not logits; pass outputs="probabilities" or remove its final '
            "softmax"
        )
    if kind == "binary-probability" and not are_probabilities(outputs):
        return 'does not return probabilities in [0, 1]; pass outputs="binary-logit" if no sigmoid is applied'
    if kind == "probabilities" and not are_probabilities(outputs):
        return (
            f"does not return probabilities (a row sums to {float(outputs[0].float().sum()):.4g} and must sum to 1 without "
            'negative numbers); pass outputs="logits" if no softmax is applied'
        )
    return None
