"""The settings of gradient ascent."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from neatfool.models import ModelConfig
from neatfool.shared.settings import Settings

COMMAND = "ascend"
STARTS = ("mean-noise", "uniform", "mean")
SMALL_SIDE = 64
"""Up to this side an image has too few pixels for its noise to hide what it shows."""
_PROGRESS = {"logit": (10.0, math.inf), "probability": (0.03, 0.1), "log-probability": (20.0, 20.0)}


class AscentSettings(Settings):
    """How images climb: what is climbed, from where, how far a step goes, and what keeps the image tame.

    Objectives, starts, the progress policy and the first four regularisers are those of the program the paper's
    authors published; the regularisers are described by Yosinski et al. (2015, "Understanding neural networks through
    deep visualization", section 3). After every step the image is clipped to [0, 255]. "Mean" is the mean image of the
    classifier: for the classifiers here, the mean of their normalisation in every pixel (black where it is 0).

    Attributes:
        objective: "logit", the class unit before the softmax; "probability", after it; or "log-probability", the
            logarithm of that. The last is not the paper's: its gradient has the direction of the probability's, but
            does not vanish where the network is sure of another class. By default the log-probability for "progress",
            which balances its gradient's vanishing at the end, and the logit for the other optimisers.
        start: "mean-noise", the mean plus Gaussian noise of standard deviation 1 (of 255); "uniform" noise in [0, 255];
            "mean"; or the path of an image.
        optimiser: what turns the gradient g into a step.
            "progress" makes it lr × g with lr = min(max_lr, min(early_progress, late_progress × (1 - p)) / |g|²), where p
            is the confidence so far: to first order, the objective then grows by the inner minimum.
            "constant" makes it lr × g.
            "adam" is Adam (Kingma & Ba 2015) with its usual decay rates.
        steps: most steps an image takes.
        early_progress: see above; by default 20 for the log-probability, 10 for the logit and 0.03 for the probability
            (the authors: .02 to .04).
        late_progress: see above; by default 20 for the log-probability, so that to first order the log-odds grow by 20
            in every late step, no limit for the logit, and 0.1 for the probability (the authors: .02 to .2).
        max_lr: see above.
        lr: of "constant", which needs it, and "adam", by default 1.
        l2_decay: L2 decay; after each step the image moves this fraction of its way to the mean (the authors: 0 to .3).
        blur_radius: standard deviation in pixels of a Gaussian blur; 0 for none (the authors: .3 to 1).
        blur_every: the blur comes after every so many steps (the authors: 1 to 4).
        small_norm: percentage of pixels, those nearest the mean, that are set to the mean after each step.
        small_contribution: percentage of pixels, those whose replacement by the mean would change the objective least
            (to first order), that are set to the mean after each step.
        total_variation: step of descent on the image's total variation after each step, in units of 1/255.
        jitter: the network sees the image shifted by up to so many pixels each way, at random, around the edges.
        parametrisation: "pixel"; or "fourier", which takes the step in a spectrum scaled by 1 / frequency and, for RGB,
            in decorrelated colours (Olah et al. 2017, "Feature visualization").
        all_steps: go on after the last threshold, .9999, until all steps are taken; by default only with regularisers.
        batch: images that climb at the same time; by default as many as the classifier takes in one pass. It changes
            results by no more than the rounding of floating-point sums.
    """

    objective: Literal["logit", "probability", "log-probability"] = "log-probability"
    start: str = "mean-noise"
    optimiser: Literal["progress", "constant", "adam"] = "progress"
    steps: int = Field(default=200, ge=0, le=1_000_000)
    early_progress: float | None = Field(default=None, gt=0)
    late_progress: float | None = Field(default=None, gt=0)
    max_lr: float = Field(default=1e9, gt=0)
    lr: float | None = Field(default=None, gt=0)
    l2_decay: float = Field(default=0, ge=0, lt=1)
    blur_radius: float = Field(default=0, ge=0, le=100)
    blur_every: int = Field(default=1, ge=1)
    small_norm: float = Field(default=0, ge=0, lt=100)
    small_contribution: float = Field(default=0, ge=0, lt=100)
    total_variation: float = Field(default=0, ge=0)
    jitter: int = Field(default=0, ge=0, le=8192)
    parametrisation: Literal["pixel", "fourier"] = "pixel"
    all_steps: bool | None = None
    batch: int | None = Field(default=None, ge=1, le=100_000)

    @model_validator(mode="before")
    @classmethod
    def _default_objective(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("optimiser", "progress") != "progress":
            return {"objective": "logit", **values}
        return values

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.optimiser == "constant" and self.lr is None:
            raise ValueError("the right length of a constant step depends on the network, so give lr too")
        if self.start not in STARTS and "." not in self.start:
            raise ValueError(f"a start is {', '.join(STARTS)} or an image file, not {self.start!r}")
        return self

    @property
    def regularised(self) -> bool:
        """Whether anything keeps the image tame."""
        return any(
            (
                self.l2_decay,
                self.blur_radius,
                self.small_norm,
                self.small_contribution,
                self.total_variation,
                self.jitter,
            )
        )

    @property
    def goes_on(self) -> bool:
        """Whether an image takes all its steps even after the last threshold."""
        return self.regularised if self.all_steps is None else self.all_steps

    @property
    def progress(self) -> tuple[float, float]:
        """early_progress and late_progress with their defaults settled."""
        early, late = _PROGRESS[self.objective]
        return self.early_progress or early, self.late_progress or late


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "visible": {
        "parametrisation": "fourier",
        "optimiser": "adam",
        "lr": 3,
        "steps": 60,
        "jitter": 8,
    },
}
"""Ways to climb: the paper's, whose images for ImageNet's networks are gray to people, and one whose images show something."""


def preset_for(image_shape: tuple[int, int, int]) -> str:
    """The preset of those who choose nothing, for a classifier of images of a shape (channels, height, width)."""
    return "visible" if min(image_shape[1:]) > SMALL_SIDE else "paper"


class AscentConfig(AscentSettings):
    """Everything that determines the result of an ascent.

    Attributes:
        model: the classifier.
        seed: the same seed gives the same images.
        classes: indices of the classes to climb for, as in "0-4,9".
    """

    model: ModelConfig = ModelConfig()
    seed: int = Field(default=0, ge=0, lt=2**64)
    classes: str

    def command_line(self) -> str:
        """A shell command that repeats the ascent."""
        given = {"name": self.model.name} | self.model.model_dump(exclude={"name", "device"}, exclude_defaults=True)
        given |= {"classes": self.classes, "seed": self.seed}
        # Always, because its default depends on the optimiser.
        given["objective"] = self.objective
        given |= self.model_dump(include=set(AscentSettings.model_fields), exclude_defaults=True)
        words = ["neatfool", "ascend"]
        for key, value in given.items():
            flag = "model" if key == "name" else key.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            elif value is not None:
                words += [f"--{flag}", str(value)]
        return shlex.join(words)
