"""How images reach a network, their size, crops, channels and normalisation, and what kind of answer it gives."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from neatfool.errors import ModelError

Size = tuple[int, int]
"""Height and width in pixels."""
Crops = Literal[1, 10]
Outputs = Literal["logits", "probabilities", "binary-logit", "binary-probability"]
"""What a module returns: a column for each class, or one number per image about the second of two classes."""
Interpolation = Literal["bilinear", "bicubic"]
ChannelOrder = Literal["rgb", "bgr"]
Layout = Literal["nchw", "nhwc"]
_CHOICES = {"outputs": Outputs, "interpolation": Interpolation, "channel_order": ChannelOrder, "layout": Layout}
_USUAL = {"channel_order": "rgb", "layout": "nchw"}
"""Settings that came later; what has them as ever is described as ever, and stays the same to old runs."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What turns a uint8 image into a network's input, and the network's output into probabilities.

    Attributes:
        channels: 1 (gray) or 3 (RGB).
        image_size: (height, width) of the images.
        input_size: (height, width) of what the network sees of them.
        crops: 1, or 10 (four corners, centre and their mirror images).
        channel_order: in which the network gets the channels of RGB images.
        scale: multiplies the pixels (0 to 255) first.
        mean: subtracted after scaling, one number per channel, in the network's order.
        std: divides after subtracting the mean, one number per channel, in the network's order.
        layout: whether the network gets (N, channels, height, width) or (N, height, width, channels).
        outputs: what the network returns.
        resize_size: length to which the short side of photographs is resized before the centre crop, or the (height, width)
            to which they are squeezed.
        interpolation: how they are resized.

    Raises:
        ModelError: A value is impossible.
    """

    channels: int
    image_size: Size
    input_size: Size
    crops: Crops
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    outputs: Outputs
    resize_size: int | Size
    interpolation: Interpolation
    channel_order: ChannelOrder = "rgb"
    layout: Layout = "nchw"

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ModelError(f"{problem}.")

    @classmethod
    def settle(
        cls,
        *,
        channels: int,
        input_size: int | Size,
        image_size: int | Size | None,
        crops: Crops,
        scale: float | None,
        value_range: tuple[float, float] | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        outputs: Outputs,
        resize_size: int | Size | None,
        interpolation: Interpolation,
        channel_order: ChannelOrder,
        layout: Layout,
    ) -> Self:
        """Fills in what was left out, see `Classifier`.

        Raises:
            ModelError: A value is impossible.
        """
        seen = _size("input_size", input_size)
        usual = round(min(seen) * 8 / 7)
        resized = usual if resize_size is None else resize_size
        short = resized if isinstance(resized, int) else min(_size("resize_size", resized))
        larger = short if short > min(seen) else usual
        if image_size is not None:
            size = _size("image_size", image_size)
        elif crops == 1:
            size = seen
        else:
            size = round(seen[0] * larger / min(seen)), round(seen[1] * larger / min(seen))
        if scale is not None and value_range is not None:
            raise ModelError("scale and value_range say the same; pass one of them.")
        low, high = _range(value_range or (0, 1))
        return cls(
            channels=channels,
            image_size=size,
            input_size=seen,
            crops=crops,
            scale=(high - low) / 255 if scale is None else float(scale),
            mean=tuple(float(value) - low for value in ((0.0,) * channels if mean is None else mean)),
            std=(1.0,) * channels if std is None else tuple(float(value) for value in std),
            outputs=outputs,
            resize_size=resized if isinstance(resized, int) else _size("resize_size", resized),
            interpolation=interpolation,
            channel_order=channel_order,
            layout=layout,
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        return self.channels, *self.image_size

    def as_plain_values(self) -> dict[str, Any]:
        """The attributes as numbers, strings and lists, which fit into JSON."""
        values = {name: value for name, value in asdict(self).items() if _USUAL.get(name) != value}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def _problem(self) -> str | None:
        seen = f"{self.input_size[0]}x{self.input_size[1]}"
        smaller = any(whole < part for whole, part in zip(self.image_size, self.input_size, strict=True))
        if self.channels not in (1, 3):
            return f"channels must be 1 or 3, not {self.channels}"
        for what, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                return f"{what} has {len(values)} numbers for {self.channels} channels; give one per channel"
        if self.crops not in (1, 10):
            return f"crops must be 1 or 10, not {self.crops}"
        for what, choices in _CHOICES.items():
            if (value := getattr(self, what)) not in get_args(choices):
                return f"{what} must be {' or '.join(map(repr, get_args(choices)))}, not {value!r}"
        if self.channels == 1 and self.channel_order != "rgb":
            return "channel_order is of three channels; leave it out for gray images"
        factors = (self.scale, *self.std)
        if 0 in factors or not all(math.isfinite(value) for value in (*factors, *self.mean)):
            return "scale, mean and std must be finite, and scale and std not 0"
        squeezed = (self.resize_size,) * 2 if isinstance(self.resize_size, int) else self.resize_size
        least = (min(self.input_size),) * 2 if isinstance(self.resize_size, int) else self.input_size
        if any(whole < part for whole, part in zip(squeezed, least, strict=True)):
            return f"resize_size {self.resize_size} is smaller than input_size {seen}"
        if self.crops == 1 and self.image_size != self.input_size:
            height, width = self.image_size
            return f"image_size {height}x{width} differs from input_size {seen}; leave it out, or pass crops=10"
        if self.crops == 10 and (smaller or self.image_size == self.input_size):
            return f"for ten crops image_size must be larger than input_size {seen}"
        return None


def _size(what: str, size: int | Size) -> Size:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ModelError(f"{what} must be at least 1 pixel, not {size}.")
    return int(height), int(width)


def _range(value_range: Sequence[float]) -> tuple[float, float]:
    if len(value_range) != 2 or not float(value_range[0]) < float(value_range[1]):
        raise ModelError(f"value_range must be two numbers, the lower first, such as (-1, 1), not {value_range!r}.")
    return float(value_range[0]), float(value_range[1])
