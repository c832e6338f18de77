"""What the test of the hypothesis found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from neatfool.models.density import Thresholds, bits_per_dimension, log_likelihood
from neatfool.runs import RunFolder
from neatfool.shared.files import write_json
from neatfool.shared.text import percent

Images = NDArray[np.uint8]
Kind = Literal["real", "control", "evolved", "attack"]


@dataclass(frozen=True)
class ImageGroup:
    """Images of one kind, and what the generative classifier makes of them.

    Attributes:
        name: what they are.
        kind: real digits, controls, images evolved against another classifier, or against this one.
        images: uint8 (N, 1, 28, 28).
        joint: log p(x, y) in nats, float64 (N, 10).
        targets: the class each was evolved for or is of, int64 (N,); None if there is none.
        thresholds: the bounds on log p(x) that they are judged by.
    """

    name: str
    kind: Kind
    images: Images
    joint: NDArray[np.float64]
    targets: NDArray[np.int64] | None
    thresholds: Thresholds

    @property
    def log_likelihood(self) -> NDArray[np.float64]:
        """Log p(x) in nats, float64 (N,)."""
        return log_likelihood(self.joint)

    @property
    def bits(self) -> NDArray[np.float64]:
        """-log2 p(x) per pixel, float64 (N,)."""
        return bits_per_dimension(self.log_likelihood, self.images[0].size)

    @property
    def posterior(self) -> NDArray[np.float64]:
        """p(y | x), float64 (N, 10)."""
        return np.asarray(softmax(self.joint, axis=1))

    @property
    def rejected_low(self) -> float:
        """Share that the one-sided test rejects."""
        return float((self.log_likelihood < self.thresholds.low).mean())

    @property
    def rejected_typical(self) -> float:
        """Share that the two-sided test rejects."""
        _, low, high = self.thresholds
        return float(((self.log_likelihood < low) | (self.log_likelihood > high)).mean())

    def confidence(self, defence: str) -> NDArray[np.float64]:
        """The probability of each image's target where rejection is a class too, float64 (N,).

        Args:
            defence: One of `DEFENCES`.

        Raises:
            ValueError: The images have no targets.
        """
        if self.targets is None:
            raise ValueError(f"{self.name} have no targets")
        evidence = self.log_likelihood
        low, typical_low, typical_high = self.thresholds
        total = evidence
        if defence == "low":
            total = np.logaddexp(evidence, low)
        elif defence == "typical":
            total = np.logaddexp(evidence, np.logaddexp(typical_low, 2 * evidence - typical_high))
        confidence: NDArray[np.float64] = np.exp(self.joint[np.arange(len(self.joint)), self.targets] - total)
        return confidence

    def summary(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        sure = self.posterior.max(1)
        median, lowest, highest = np.quantile(self.bits, (0.5, 0, 1)).tolist()
        values: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "images": len(self.images),
            "median_bits_per_dimension": median,
            "min_bits_per_dimension": lowest,
            "max_bits_per_dimension": highest,
            "rejected_one_sided": self.rejected_low,
            "rejected_two_sided": self.rejected_typical,
            "median_confidence": float(np.median(sure)),
            "share_over_99": float((sure >= 0.99).mean()),
        }
        if self.targets is not None:
            values["median_confidence_in_target"] = float(np.median(self.confidence("none")))
            values["classified_as_target"] = float((self.joint.argmax(1) == self.targets).mean())
        return values


@dataclass(frozen=True)
class Attack:
    """Evolution against the generative classifier itself.

    Attributes:
        defence: "none", or the test whose rejection the confidences allow for: "low" or "typical".
        encoding: "cppn" or "direct".
        run: the run folder.
        evaluations: images judged.
        temperature: that the search saw log p(x, y) divided by.
        confidence: of each class's elite in its class, float64 (10,), at temperature 1; what a test rejects has none.
        curve: (evaluations, median confidence at the search's temperature) of each generation, float64 (generations + 1, 2).
        group: the elites.
    """

    defence: str
    encoding: str
    run: Path
    evaluations: int
    temperature: float
    confidence: NDArray[np.float64]
    curve: NDArray[np.float64]
    group: ImageGroup

    def summary(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        return {
            **self.group.summary(),
            "defence": self.defence,
            "encoding": self.encoding,
            "run": str(self.run),
            "evaluations": self.evaluations,
            "temperature": self.temperature,
            "median_confidence_reached": float(np.median(self.confidence)),
            "min_confidence_reached": float(self.confidence.min()),
            "classes_over_99": int((self.confidence >= 0.99).sum()),
        }


@dataclass(frozen=True)
class Baseline:
    """How far evolution got against another classifier with as many evaluations as an attack had.

    Attributes:
        name: the run.
        model: the classifier it was evolved against.
        evaluations: images judged.
        median_confidence: of the elites then, in [0, 1].
    """

    name: str
    model: str
    evaluations: int
    median_confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """What came out.

    Attributes:
        accuracy: on all test digits, without rejection.
        thresholds: measured on one half of the test digits.
        groups: the test digits of the other half first, then controls and the runs' images.
        attacks: evolution against the generative classifier; fewer than planned if it was interrupted.
        baselines: of the runs given, at the evaluations of the attacks.
        complete: whether all attacks are done.
        weights: file of the classifier with these thresholds.
        folder: where runs, figure and page are.
    """

    accuracy: float
    thresholds: Thresholds
    groups: tuple[ImageGroup, ...]
    attacks: tuple[Attack, ...]
    baselines: tuple[Baseline, ...]
    complete: bool
    weights: Path
    folder: RunFolder

    @property
    def digits(self) -> ImageGroup:
        """The test digits that the thresholds were not measured on."""
        return self.groups[0]

    def summary(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        return {
            "accuracy": self.accuracy,
            "bits_per_dimension": float(self.digits.bits.mean()),
            "thresholds": {
                name: {"log_likelihood": nats, "bits_per_dimension": float(bits)}
                for name, nats, bits in zip(
                    Thresholds._fields,
                    self.thresholds,
                    bits_per_dimension(np.array(self.thresholds), self.digits.images[0].size),
                    strict=True,
                )
            },
            "false_rejection_one_sided": self.digits.rejected_low,
            "false_rejection_two_sided": self.digits.rejected_typical,
            "groups": [group.summary() for group in self.groups],
            "attacks": [attack.summary() for attack in self.attacks],
            "baselines": [vars(baseline) for baseline in self.baselines],
            "complete": self.complete,
            "weights": str(self.weights),
        }

    @property
    def subtitle(self) -> str:
        """What the classifier does with real digits, in words."""
        return (
            f"{percent(self.accuracy)} of the test digits classified correctly; {self.digits.bits.mean():.3f} bits per "
            "dimension, on average, in the half not used for the thresholds"
        )

    def write(self) -> None:
        """Writes hypothesis.json, hypothesis.png and hypothesis.html into the folder.

        Raises:
            RunError: something cannot be written.
        """
        from neatfool.experiments.hypothesis.figure import draw_groups
        from neatfool.experiments.hypothesis.page import write_page
        from neatfool.figures.output import write_figure

        out = self.folder.path
        write_json(out / "hypothesis.json", self.summary())
        title = "How probable is it that this is a digit?"
        write_figure(draw_groups(self), out / "hypothesis.png", title=title, subtitle=self.subtitle)
        write_page(self, out / "hypothesis.html")

    def _repr_html_(self) -> str:
        from neatfool.experiments.hypothesis.figure import draw_groups
        from neatfool.figures.notebook import figure_html

        return figure_html(draw_groups(self), self.subtitle)
