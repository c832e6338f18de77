"""What an audit came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.experiments.audit.detection import Detection
from neatfool.experiments.audit.feeding import Feeding
from neatfool.experiments.audit.score import Score, curve, ease, fooling_score
from neatfool.experiments.audit.settings import ATTACKS, FOOLED, PROTOCOL, AuditConfig
from neatfool.runs import RunFolder

SCHEMA_VERSION = 1
"""Of `audit.json`. It grows when a key goes or changes its meaning."""


@dataclass(frozen=True)
class AttackResult:
    """What one attack came to, with K seeds of T classes each.

    Attributes:
        name: the attack.
        classes: the classes of each seed, int64 (K, T).
        passes: passes spent on each class when the classifier was first fooled into it, int64 (K, T); 0 for never.
        confidence: of the best image in its class, float32 (K, T).
        images: the best images, uint8 (K, T, C, H, W).
        top_classes: the most likely classes of each, at most five, int64 (K, T, at most 5).
        top_confidence: their confidences, float32, of the same shape.
        spent: passes of all seeds and classes together.
    """

    name: str
    classes: NDArray[np.int64]
    passes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    images: NDArray[np.uint8]
    top_classes: NDArray[np.int64]
    top_confidence: NDArray[np.float32]
    spent: int

    @property
    def fooling(self) -> NDArray[np.uint8]:
        """The images that fool the classifier, uint8 (N, C, H, W)."""
        return self.images[self.confidence >= FOOLED]

    def summary(self, budget: int) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        fallen = np.sort(self.passes[self.passes > 0])
        half = -(-self.passes.size // 2)
        steps, shares = curve(self.passes)
        return {
            "name": self.name,
            "passes": self.spent,
            "area": float(ease(self.passes, budget).mean()),
            "classes": self.passes.size,
            "classes_fooled": len(fallen),
            "passes_to_first": int(fallen[0]) if len(fallen) else None,
            "passes_to_half": int(fallen[half - 1]) if len(fallen) >= half else None,
            "curve": [[int(step), float(share)] for step, share in zip(steps, shares, strict=True)],
        }


@dataclass(frozen=True)
class Audit:
    """An audit, done or interrupted; then it has the seeds that are done.

    Attributes:
        config: the settings.
        model: name of the classifier.
        class_names: the names of its classes.
        attacks: what the attacks came to.
        feeding: whether the classifier is fed right; None without real images.
        detection: what would catch the images; None without real images, or without any that fool.
        photographs: a real image of a class, uint8 (C, H, W), by the class's index, for some.
        complete: whether everything is done.
        seconds: wall time.
        folder: where it is written, or None.
    """

    config: AuditConfig
    model: str
    class_names: tuple[str, ...]
    attacks: tuple[AttackResult, ...]
    feeding: Feeding | None
    detection: Detection | None
    photographs: Mapping[int, NDArray[np.uint8]]
    complete: bool
    seconds: float
    folder: RunFolder | None

    @property
    def seeds_done(self) -> int:
        """The number of seeds for which all attacks are done."""
        return len(self.attacks[0].passes)

    @property
    def passes(self) -> NDArray[np.int64]:
        """See `AttackResult.passes`; int64 (attacks, K, T)."""
        return np.stack([one.passes for one in self.attacks])

    @property
    def score(self) -> Score:
        """The fooling score, from 0, never fooled, to 100, fooled at once, with its 95 % interval; see `fooling_score`.

        Raises:
            ValueError: no seed is done.
        """
        if not self.seeds_done:
            raise ValueError("the audit was interrupted before its first seed was done; resume it.")
        return fooling_score(self.passes, self.config.budget)

    @property
    def seed_scores(self) -> NDArray[np.float64]:
        """The fooling score of each seed alone, float64 (K,)."""
        scores: NDArray[np.float64] = 100 * ease(self.passes, self.config.budget).mean(axis=(0, 2))
        return scores

    @property
    def protocol(self) -> str:
        """What was done, in a word: scores compare where it is the same."""
        left_out = [name for name in ATTACKS if name not in {one.name for one in self.attacks}]
        return PROTOCOL + "".join(f" without {name}" for name in left_out)

    def summary(self) -> dict[str, Any]:
        """The numbers in one JSON-ready dictionary, as in `audit.json`."""
        score = self.score if self.seeds_done else None
        feeding = None if self.feeding is None else self.feeding.summary()
        detection = None if self.detection is None else self.detection.summary()
        return {
            "schema_version": SCHEMA_VERSION,
            "run": str(self.folder.path) if self.folder else None,
            "protocol": self.protocol,
            "model": self.model,
            "weights": self.config.model.weights,
            "weights_hash": self.folder.manifest.weights_hash if self.folder else None,
            "budget": self.config.budget,
            "seeds": self.seeds_done,
            "classes": len(self.class_names),
            "score": score and score.value,
            "score_low": score and score.low,
            "score_high": score and score.high,
            "seed_scores": self.seed_scores.tolist(),
            "attacks": [one.summary(self.config.budget) for one in self.attacks],
            "accuracy": feeding and feeding["top1"],
            "ece": feeding and feeding["ece"],
            "feeding": feeding,
            "detectors": detection["detectors"] if detection else [],
            "detection": detection and {key: value for key, value in detection.items() if key != "detectors"},
            "complete": self.complete,
            "seconds": round(self.seconds, 3),
        }

    def write(self) -> None:
        """Writes `audit.json`, `audit.html`, `audit.png` and `badge.svg` into the folder, if there is one.

        Raises:
            RunError: something cannot be written.
        """
        if self.folder is None:
            return
        from neatfool.experiments.audit.page import write_audit

        write_audit(self, self.folder.path)

    def _repr_html_(self) -> str:
        if not self.seeds_done:
            return f"<p>{escape(self.model)}: no seed of the audit is done yet</p>"
        score = self.score
        return (
            f"<p>{escape(self.model)}: fooling score <b>{score.value:.0f}</b> "
            f"({score.low:.0f} to {score.high:.0f}) of 100</p>"
        )
