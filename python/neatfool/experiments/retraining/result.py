"""What retraining came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.experiments.retraining.rounds import Round
from neatfool.experiments.retraining.settings import RetrainConfig
from neatfool.experiments.retraining.state import weights_name
from neatfool.figures.notebook import gallery_html
from neatfool.runs import RunFolder
from neatfool.shared.pixels import for_looking
from neatfool.shared.text import percent


@dataclass(frozen=True, kw_only=True)
class RetrainResult:
    """What retraining came to.

    Attributes:
        classifier: the last network, with a class more than the first; the first itself if no round was completed.
        rounds: one entry a completed round, round 0 first.
        images: newly evolved against the last network, the better of the encodings for each real class; uint8
            (classes, channels, height, width); without classes if not even round 0 was completed.
        confidence: the last network's in them, float32 (classes,).
        training_images, judging_images: numbers of real images.
        config: all settings.
        folder: the run folder, or None.
    """

    classifier: Classifier
    rounds: tuple[Round, ...]
    images: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    training_images: int
    judging_images: int
    config: RetrainConfig
    folder: RunFolder | None

    @property
    def complete(self) -> bool:
        """Whether all rounds were done."""
        return len(self.rounds) == self.config.rounds + 1

    def summary(self) -> dict[str, Any]:
        """The result in one JSON-ready dictionary, as `neatfool retrain --json` prints it."""
        done = len(self.rounds) - 1
        weights = self.folder.file(weights_name(done)) if self.folder and done > 0 else None
        return {
            "run": str(self.folder.path) if self.folder else None,
            "model": self.classifier.name,
            "encoding": self.config.retrain.encoding,
            "seed": self.config.seed,
            "training_images": self.training_images,
            "judging_images": self.judging_images,
            "weights": str(weights) if weights else None,
            "evaluations": self.rounds[-1].evaluations if self.rounds else 0,
            "seconds": round(sum(one.seconds for one in self.rounds), 3),
            "rounds": [asdict(one) for one in self.rounds],
        }

    def write(self) -> None:
        """Draws gallery, report, figure and page into the run folder, if there is one and a round is complete.

        Raises:
            RunError: a file of the run is damaged, or something cannot be written.
        """
        if self.folder is None or not self.rounds:
            return
        from neatfool.experiments.retraining.page import write_rounds
        from neatfool.report import write_run_pages

        write_run_pages(self.folder)
        write_rounds(self.folder, png=self.folder.path / "rounds.png", html=self.folder.path / "rounds.html")

    def _repr_html_(self) -> str:
        names = self.classifier.class_names
        captions = [f"{names[index]}, {percent(float(one))}" for index, one in enumerate(self.confidence)]
        return gallery_html(for_looking(self.images), captions)
