"""What an image processor of transformers does to images, in the words of `Classifier`."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from neatfool.classifiers.sources.timm import photograph_size
from neatfool.errors import ModelError
from neatfool.shared.text import reason

_SIDE = 256
_TRIED = (51, 102, 204)
_BICUBIC, _LANCZOS = 3, 1
_CONVNEXT_SQUEEZES_FROM = 384


def read_processor(processor: Any, config: Any, *, name: str) -> dict[str, Any]:
    """The preprocessing of a model, as keywords of `Classifier`.

    Size, scale and normalisation are found by trying: plain black, white and coloured pictures go through the processor. How
    photographs are resized is read from its settings.

    Args:
        processor: An image processor of transformers.
        config: The configuration of its model.
        name: The model's name in messages.

    Raises:
        ModelError: The processor does more than resize, crop, scale and normalise.
    """
    channels = 1 if getattr(config, "num_channels", 3) == 1 else 3
    black, white, tried = (_process(processor, colour, channels, name) for colour in ((0,) * 3, (255,) * 3, _TRIED))
    gain = (white[1] - black[1]) / 255
    orders = {"rgb": _TRIED[:channels], "bgr": _TRIED[:channels][::-1]}
    order = next(
        (key for key, colour in orders.items() if np.allclose(black[1] + gain * colour, tried[1], atol=1e-4)), None
    )
    if order is None or not gain.all():
        raise ModelError(
            f"{name} changes colours in a way that mean and std cannot express; write a function that returns a "
            "neatfool.Classifier of it."
        )
    std = 1 / 255 / gain
    size = black[0]
    if not getattr(processor, "do_resize", True):
        side = getattr(config, "image_size", None) or size
        size = (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))
    return {
        "input_size": size,
        "channels": channels,
        "channel_order": order,
        # As they were written, without the noise of 32-bit numbers.
        "mean": [round(float(value), 6) + 0.0 for value in -black[1] * std],
        "std": [float(f"{value:.6g}") for value in std],
        **_photographs(processor, size),
    }


def _process(processor: Any, colour: tuple[int, int, int], channels: int, name: str) -> tuple[tuple[int, int], Any]:
    """The (height, width) that a plain picture gets, and the number that each channel becomes, float64 (channels,)."""
    picture = Image.new("RGB", (_SIDE, _SIDE), colour) if channels == 3 else Image.new("L", (_SIDE, _SIDE), colour[0])
    try:
        values = np.asarray(processor(images=picture, return_tensors="pt")["pixel_values"], dtype=np.float64)
    except Exception as error:  # of a stranger's settings
        raise ModelError(
            f"The image processor of {name} fails ({reason(error)}); mend its preprocessor_config.json."
        ) from error
    flat = values.reshape(values.shape[1], -1) if values.ndim == 4 else values[np.newaxis]
    if values.ndim != 4 or values.shape[:2] != (1, channels) or np.ptp(flat, axis=1).max() > 1e-4:
        raise ModelError(
            f"{name} does not take one picture of {channels} channels and one size (its processor returns shape "
            f"{values.shape}); write a function that returns a neatfool.Classifier of it."
        )
    return values.shape[2:], flat.mean(1)


def _photographs(processor: Any, size: tuple[int, int]) -> dict[str, Any]:
    """How photographs are resized before their centre is cropped."""
    if recipe := getattr(processor, "data_config", None):  # timm's own
        return photograph_size(recipe)
    resample = getattr(processor, "resample", None)
    interpolation = "bicubic" if resample in (_BICUBIC, _LANCZOS) else "bilinear"
    return {"resize_size": _resize_size(processor, size), "interpolation": interpolation}


def _resize_size(processor: Any, size: tuple[int, int]) -> int | tuple[int, int]:
    settings: Any = getattr(processor, "size", None) or {}
    settings = settings if isinstance(settings, dict) else vars(settings)
    short, height, width = (settings.get(key) for key in ("shortest_edge", "height", "width"))
    crop_pct = getattr(processor, "crop_pct", None)
    if height and width:
        return max(height, size[0]), max(width, size[1])
    if short and crop_pct:  # ConvNeXT
        return int(short / crop_pct) if short < _CONVNEXT_SQUEEZES_FROM else size
    return max(short or 0, min(size))
