"""What gradient ascent found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.experiments.ascent.settings import AscentConfig
from neatfool.figures.notebook import gallery_html
from neatfool.runs import Judgement, RunFolder, Tally, verdicts
from neatfool.search import confidence_statistics
from neatfool.shared.pixels import for_looking
from neatfool.shared.text import percent

THRESHOLDS = (0.5, 0.99, 0.999, 0.9999)
"""Confidences whose first passing is recorded: the majority, and three kinds of near certainty."""


@dataclass(frozen=True)
class AscentResult:
    """The images of an ascent, done or interrupted. Arrays have one entry a class, in the order of `classes`.

    Attributes:
        config: the settings.
        class_names: the names of the classes.
        classes: class indices, shape (k,), int64.
        confidence: the classifier's confidence in each image as stored, shape (k,), float32; 0 for an image not begun.
        images: shape (k, C, H, W), uint8; black where not begun.
        steps: steps each image took, shape (k,), int64.
        finished: whether it took all the steps it should, shape (k,), bool.
        threshold_steps: steps taken when the confidence first reached each of `THRESHOLDS`, shape (k, 4), int64; -1 for
            never.
        threshold_images: the images then, uint8 (C, H, W), by (class index, threshold).
        judgement: what the finished images are judged to be; None while some are not.
        evaluations: images sent forward and backward through the network.
        seconds: wall time.
        folder: where it is written, or None.
    """

    config: AscentConfig
    class_names: tuple[str, ...]
    classes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    images: NDArray[np.uint8]
    steps: NDArray[np.int64]
    finished: NDArray[np.bool_]
    threshold_steps: NDArray[np.int64]
    threshold_images: Mapping[tuple[int, float], NDArray[np.uint8]]
    judgement: Judgement | None
    evaluations: int
    seconds: float
    folder: RunFolder | None

    @property
    def done(self) -> bool:
        """Whether every image is finished."""
        return bool(self.finished.all())

    def tally(self) -> Tally:
        """How many classes are fooled, how many on top, how many not reached."""
        found = verdicts(self.classes, self.confidence, self.judgement, exclusive=True)
        return Tally.of(found, exclusive=True)

    def summary(self) -> dict[str, Any]:
        """The result in one JSON-ready dictionary, as `neatfool ascend --json` prints it.

        `reached` counts the classes that passed each threshold, `median_steps_to` says after how many steps these did.
        """
        reached = {
            threshold: steps[steps >= 0] for threshold, steps in zip(THRESHOLDS, self.threshold_steps.T, strict=True)
        }
        return {
            "run": str(self.folder.path) if self.folder else None,
            "model": self.config.model.name,
            "objective": self.config.objective,
            "start": self.config.start,
            "optimiser": self.config.optimiser,
            "parametrisation": self.config.parametrisation,
            "seed": self.config.seed,
            "classes": len(self.classes),
            "finished": int(self.finished.sum()),
            **confidence_statistics(self.confidence),
            **self.tally().summary(),
            "reached": {str(threshold): len(steps) for threshold, steps in reached.items()},
            "median_steps_to": {
                str(threshold): float(np.median(steps)) if len(steps) else None for threshold, steps in reached.items()
            },
            "steps": int(self.steps.max()),
            "evaluations": self.evaluations,
            "seconds": round(self.seconds, 3),
            "evaluations_per_second": round(self.evaluations / self.seconds, 1) if self.seconds else None,
        }

    def write(self) -> None:
        """Draws gallery and report into the run folder, if there is one.

        Raises:
            RunError: a file of the run is damaged, or something cannot be written.
        """
        if self.folder is None:
            return
        from neatfool.report import write_run_pages

        write_run_pages(self.folder)

    def _repr_html_(self) -> str:
        captions = [
            f"{name}, {percent(float(one))}" for name, one in zip(self.class_names, self.confidence, strict=True)
        ]
        return gallery_html(for_looking(self.images), captions)
