"""What is reproduced, and how much of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from neatfool.models import ModelConfig
from neatfool.shared.settings import Settings

COMMAND = "reproduce"

What = Literal["mnist", "imagenet"]


class Scale(NamedTuple):
    """How much of everything."""

    generations: int
    """of each evolution"""
    batch: int | None
    rounds: int
    """of retraining"""
    epochs: int
    """of training networks from scratch"""
    seeds: int
    """runs compared for diversity"""
    sample: int | None
    """classes of gradient ascent, drawn by the seed, and of repeated elements, those that the network is surest of"""
    classes: str | None
    """evolved for"""
    retrain_generations: int
    controls: int
    """control images of each kind for the generative model"""
    default_generations: int = 0
    """of each evolution by the default search, beside the paper's, on ImageNet"""
    views: int = 1
    """of each photograph that a network is retrained on"""


SCALES: dict[str, dict[str, Scale]] = {
    "mnist": {
        "smoke": Scale(5, 40, 1, 1, 2, 2, None, 3, 6),
        "small": Scale(100, None, 3, 2, 3, None, None, 50, 500),
        "full": Scale(200, None, 15, 10, 5, None, None, 200, 500),
    },
    "imagenet": {
        "smoke": Scale(1, 20, 1, 1, 2, 2, "0-9", 1, 6, 1),
        "small": Scale(50, None, 1, 1, 3, 50, None, 62, 500, 62, 8),
        "full": Scale(5000, None, 1, 1, 3, None, None, 250, 500, 250, 8),
    },
}


class ReproductionConfig(Settings):
    """Everything that determines the rows: the content of a folder's `config.toml`.

    Attributes:
        what: "mnist" (rows 1, 2, 5, 6, 7, 9, 10, 11) or "imagenet" (rows 3 to 6 and 8 to 10).
        scale: "smoke" (a minute), "small" or "full" (the paper's).
        data: MNIST's files, or a folder with one folder of photographs a class.
        model: the network to fool.
        other: the network that images are transferred to on ImageNet.
        seed: of everything.
        rows: the rows asked for so far.
    """

    what: What
    scale: Literal["smoke", "small", "full"] = "small"
    data: str
    model: ModelConfig
    other: ModelConfig = ModelConfig(name="vgg16")
    seed: int = Field(default=0, ge=0, lt=2**64)
    rows: tuple[int, ...]

    @property
    def amount(self) -> Scale:
        """How much of everything."""
        return SCALES[self.what][self.scale]
