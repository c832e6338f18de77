"""What retraining came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.experiments.retraining.settings import RetrainConfig
from neatfool.experiments.retraining.state import weights_name
from neatfool.figures.notebook import gallery_html
from neatfool.runs import RunFolder
from neatfool.shared.pixels import for_looking
from neatfool.shared.text import percent


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round came to. Round 0 measures the network as it was given; round k makes network k + 1 and measures it.

    Attributes:
        round: its number.
        test_error: share of held-out real images that the network gets wrong, those it calls fooling images included.
        false_alarms: share of held-out real images that it calls fooling images.
        caught: share of images evolved against its predecessor with other seeds, and never trained on, that it calls
            fooling images; None in round 0. Pictures that the training set happens to hold too are left out.
        caught_all: the same for the held-out images of all earlier rounds.
        median_confidence: in the images newly evolved against it, one for each real class (and encoding).
        mean_confidence, min_confidence: in the same images.
        classes_over_99, classes_over_9999: number of these images with a confidence of at least .99 and .9999.
        evaluations_to_99: images judged until their median reached 99 %; None if it never did. With both encodings, the
            fewer.
        encodings: for each encoding median_confidence, evaluations_to_99 and caught.
        fooling_images: fooling images in its training set.
        training_share: their share of it.
        loss: mean training loss of the last epoch; None in round 0.
        evaluations: images judged by evolutions since the start.
        seconds: time the round took.
    """

    round: int
    test_error: float
    false_alarms: float
    caught: float | None
    caught_all: float | None
    median_confidence: float
    mean_confidence: float
    min_confidence: float
    classes_over_99: int
    classes_over_9999: int
    evaluations_to_99: int | None
    encodings: dict[str, dict[str, float | int | None]]
    fooling_images: int
    training_share: float
    loss: float | None
    evaluations: int
    seconds: float


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
