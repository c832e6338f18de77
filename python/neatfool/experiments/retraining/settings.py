"""The settings of retraining."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from neatfool.classifiers import Backend, Precision
from neatfool.models import ModelConfig
from neatfool.runs import RunFolder, check_command, read_settings
from neatfool.shared.settings import Settings

COMMAND = "retrain"


class RetrainSettings(Settings):
    """How every round goes.

    Attributes:
        encoding: what fooling images are made of; "both" evolves each kind.
        images_per_class: fooling images to collect for each class, in each round and encoding; None is 100 for up to
            100 classes, else 1. An evolution gives as many a class as `moments` says, so by default 100 take ten
            evolutions. An elite of several moments or classes counts once, so that there are somewhat fewer.
        moments: moments of an evolution whose elites are collected, the last among them, more of them early; fewer where
            `images_per_class` or `generations` has no more. 1 is the last alone.
        search: how images are evolved: "default" as `evolve` does, or "paper", by the preset paper-mnist.
        backend, precision: who runs the network in evolutions, see `Classifier`; all else is done by torch in float32.
        generations: generations of every evolution.
        batch: children of each generation; None is 200 for up to 100 classes, else 400.
        views: views of each real image to train on: 1 is the image alone, more are random parts of it too, mirrored in half of
            the cases; see `neatfool.data.Views`.
        share: largest share of fooling images in the training set; beyond it some are left out at random.
        fresh: train every network from new weights, not on from its predecessor's.
        keep: train on the fooling images of earlier rounds too, not only on the newest.
        epochs: passes over the training set; None is as many as show 60,000 images, with fresh weights 180,000.
        learning_rate: of the first step; None is 0.05 for fresh weights, 0.01 for continued ones, and what suits the
            features where these are frozen (`FrozenFeatures.steady_rate`).
        training_batch: images of each training step.
        freeze_features: train the last layer alone.
        distill: weight of the first network's own answers to the real images, 0 to 1; see `harden`.
    """

    encoding: Literal["cppn", "direct", "both"] = "cppn"
    images_per_class: int | None = Field(default=None, ge=1, le=100_000)
    moments: int = Field(default=10, ge=1, le=1000)
    search: Literal["default", "paper"] = "default"
    backend: Backend = "torch"
    precision: Precision = "float32"
    generations: int = Field(default=200, ge=1, le=1_000_000)
    batch: int | None = Field(default=None, ge=1, le=1_000_000)
    views: int = Field(default=1, ge=1, le=1000)
    share: float = Field(default=0.5, gt=0, lt=1)
    fresh: bool = False
    keep: bool = True
    epochs: int | None = Field(default=None, ge=1, le=10_000)
    learning_rate: float | None = Field(default=None, gt=0)
    training_batch: int = Field(default=100, ge=1, le=100_000)
    freeze_features: bool = False
    distill: float = Field(default=0, ge=0, le=1)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.fresh and self.freeze_features:
            raise ValueError(
                "fresh weights leave no features worth freezing, so leave out --fresh or --freeze-features"
            )
        return self


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper-retrain": {"fresh": True, "images_per_class": 10, "moments": 1, "search": "paper"},
}
"""The paper's way as far as it is told: every network trained anew, on what the evolutions ended with."""


class RetrainConfig(Settings):
    """Everything that determines the result: the content of a run's `config.toml`."""

    model: ModelConfig
    data: str
    rounds: int = Field(ge=1, le=10_000)
    seed: int = Field(default=0, ge=0, lt=2**64)
    retrain: RetrainSettings = RetrainSettings()
    encoding: Literal["cppn", "direct", "both"] = "cppn"

    @model_validator(mode="before")
    @classmethod
    def _say_the_encoding(cls, values: Any) -> Any:
        # The run folder's readers look for it at the top, as in every other run.
        chosen = values.get("retrain") if isinstance(values, Mapping) else None
        encoding = (
            chosen.get("encoding", "cppn") if isinstance(chosen, Mapping) else getattr(chosen, "encoding", "cppn")
        )
        return {**values, "encoding": encoding}


def read_retrain_config(folder: RunFolder) -> RetrainConfig:
    """The settings of a run.

    Raises:
        RunError: the folder was not made by `retrain`, or its settings are damaged.
    """
    check_command(folder, COMMAND)
    return read_settings(folder, RetrainConfig)
