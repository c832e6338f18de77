"""What an elite is chosen by.

An objective of your own is a `neatfool.Settings` with the members of `Objective`, registered by `register_objective`, or by
a package's entry point in the group `neatfool.objectives`.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from neatfool.shared.settings import Registry, Settings


class Objective(Protocol):
    """How fit an individual is for each cell, given what the judge says of its image."""

    @property
    def name(self) -> str:
        """By which a configuration finds it."""

    def fitness(self, confidences: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float32]:
        """The fitness of every individual for every cell; the highest takes it.

        Args:
            confidences: shape (N, all classes).
            classes: the class of each cell, shape (cells,).

        Returns:
            float32 (N, cells), finite; at least 0 for strategies that share fitness, as NEAT does.
        """

    def model_dump(self) -> dict[str, Any]:
        """The settings as plain values. `neatfool.Settings` has it."""


OBJECTIVES: Registry[Any] = Registry("neatfool.objectives", "objective", default="confidence")
register_objective = OBJECTIVES.register


@OBJECTIVES.register
class Confidence(Settings):
    """The confidence in the cell's class (paper section 2.2)."""

    name: Literal["confidence"] = "confidence"

    def fitness(self, confidences: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Objective.fitness`."""
        return confidences[:, classes]
