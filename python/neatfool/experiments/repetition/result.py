"""What the repeated-elements experiment found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, spearmanr

from neatfool.experiments.repetition.copies import Copies
from neatfool.shared.files import make_folder, write_json

_RESAMPLES = 9999

SURE = 0.5
"""Elites of at least this confidence are summed up apart: where there is none to lose, there is none to raise."""


@dataclass(frozen=True)
class ClassRepetition:
    """The repetition in one class's elite.

    Attributes:
        class_index: the class.
        class_name: its name.
        individual: id of the elite; classes that share it share the pictures.
        picture: the elite, shape (C, H, W), uint8.
        copies: where its copies are.
        order: copies in the order in which `with_copies` removes them.
        levels: numbers of copies left that were looked at, ascending from 0, shape (L,), int64.
        confidences: with that many copies left, for several orders of removal, shape (orders, L), float32.
        controls: with as large an area removed elsewhere, same shape.
        whole: with one copy of every pair removed, for several random pairings, shape (orders,), float64.
        halved: with a half of each removed instead, same shape.
    """

    class_index: int
    class_name: str
    individual: int
    picture: NDArray[np.uint8]
    copies: Copies
    order: NDArray[np.int64]
    levels: NDArray[np.int64]
    confidences: NDArray[np.float32]
    controls: NDArray[np.float32]
    whole: NDArray[np.float64]
    halved: NDArray[np.float64]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Mean over the orders, shape (L,)."""
        return np.asarray(self.confidences.mean(0, dtype=np.float64))

    @property
    def control(self) -> NDArray[np.float64]:
        """Mean over the places, shape (L,)."""
        return np.asarray(self.controls.mean(0, dtype=np.float64))

    @property
    def spearman(self) -> float:
        """Rank correlation of copies and confidence, from one copy to all: 1 if each further copy raises it.

        0 if the confidence is the same throughout.
        """
        confidence = self.confidence[1:]
        return float(spearmanr(self.levels[1:], confidence).statistic) if np.ptp(confidence) > 0 else 0.0

    def with_copies(self, level: int) -> NDArray[np.uint8]:
        """The picture with so many copies left, shape (C, H, W), uint8; the first `self.order` are the first to go."""
        gone = np.isin(self.copies.labels, self.order[: self.copies.count - level])
        return np.where(gone, self.copies.background, self.picture)

    def confidence_of_picture(self, level: int) -> float:
        """The confidence in the picture of `with_copies`."""
        return float(self.confidences[0, np.flatnonzero(self.levels == level)[0]])

    def at_share(self, shares: NDArray[np.float64], *, control: bool = False) -> NDArray[np.float64]:
        """Confidence with a share of the copies left, between levels interpolated linearly."""
        values = self.control if control else self.confidence
        return np.interp(shares * self.copies.count, self.levels, values)

    def summary(self) -> dict[str, Any]:
        """Everything but the pictures, ready for JSON."""
        return {
            "class": self.class_index,
            "class_name": self.class_name,
            "individual": self.individual,
            "copies": self.copies.count,
            "way": self.copies.way,
            "why": self.copies.why,
            "period": round(self.copies.period, 2),
            "area": float((self.copies.labels >= 0).mean()),
            "levels": self.levels.tolist(),
            "confidence": self.confidence.tolist(),
            "control": self.control.tolist(),
            "whole": float(self.whole.mean()),
            "halved": float(self.halved.mean()),
            "spearman": self.spearman,
        }


@dataclass(frozen=True)
class RepetitionResult:
    """The repeated-elements experiment on one run.

    Attributes:
        run: the run folder.
        model: name of the classifier.
        encoding: name of the encoding.
        elites: classes looked at.
        classes: those whose elite repeats a motif, in class order.
        min_copies: fewer copies are no repetition.
        orders: orders of removal averaged over.
        seed: seed of the orders and of the control's places.
        complete: False if `stop` ended it early.
    """

    run: str
    model: str
    encoding: str
    elites: int
    classes: tuple[ClassRepetition, ...]
    min_copies: int
    orders: int
    seed: int
    complete: bool

    @property
    def sure(self) -> list[ClassRepetition]:
        """The repetitions with a confidence of at least `SURE` when whole."""
        return [one for one in self.classes if one.confidence[-1] >= SURE]

    def summary(self) -> dict[str, Any]:
        """The result in one dictionary ready for JSON.

        `rising` is the share of elites whose confidence has a positive rank correlation with the number of copies, from
        one to all. Medians over classes are given for all, half, one and none of the copies, and for the control with
        as large areas removed elsewhere. `pairs` compares whole with halved copies: the mean confidence with one copy of
        every pair gone and with a half of each, the mean difference over pictures, its interval of 95 %, and the share of
        pictures in which it is above 0.
        """
        ways = [one.copies.way for one in self.classes]
        return {
            "run": self.run,
            "model": self.model,
            "encoding": self.encoding,
            "elites": self.elites,
            "min_copies": self.min_copies,
            "orders": self.orders,
            "seed": self.seed,
            "complete": self.complete,
            "repeating": len(self.classes),
            "repeating_pictures": len({one.individual for one in self.classes}),
            "by_genome": ways.count("genome"),
            "by_image": ways.count("image"),
            **_statistics(self.classes),
            "sure": {"at_least": SURE, "repeating": len(self.sure), **_statistics(self.sure)},
            "classes": [one.summary() for one in self.classes],
        }

    @property
    def subtitle(self) -> str:
        """How many elites repeat a motif, in words."""
        ways = [one.copies.way for one in self.classes]
        return (
            f"{len(ways):,} of {self.elites:,} elites repeat a motif {self.min_copies} times or more "
            f"({ways.count('genome'):,} found in the genome, {ways.count('image'):,} in the picture); "
            f"{len(self.sure):,} of them reach a confidence of 50 %"
        )

    def write(self, out: Path | str) -> None:
        """Writes repetition.json, repetition.png and repetition.html into a folder, made if it does not exist.

        Raises:
            RunError: something cannot be written.
        """
        from neatfool.experiments.repetition.figure import draw_repetition
        from neatfool.experiments.repetition.page import write_page
        from neatfool.figures.output import write_figure

        out = Path(out)
        make_folder(out)
        write_json(out / "repetition.json", self.summary())
        title = f"{self.model}: confidence against copies of a repeated motif"
        write_figure(draw_repetition(self), out / "repetition.png", title=title, subtitle=self.subtitle)
        write_page(self, out / "repetition.html")

    def _repr_html_(self) -> str:
        from neatfool.experiments.repetition.figure import draw_repetition
        from neatfool.figures.notebook import figure_html

        return figure_html(draw_repetition(self), self.subtitle)


def _statistics(classes: Sequence[ClassRepetition]) -> dict[str, Any]:
    """Medians over classes; None where there is no class."""
    amounts = ("all", "half", "one", "none")
    if not classes:
        nothing = dict.fromkeys(amounts)
        return {
            "rising": None,
            "median_spearman": None,
            "median_confidence": nothing,
            "control_confidence": nothing,
            "pairs": None,
        }
    shares = [np.array([1, 0.5, 1 / one.copies.count, 0]) for one in classes]
    confidence, control = (
        np.median([one.at_share(share, control=kind) for one, share in zip(classes, shares, strict=True)], axis=0)
        for kind in (False, True)
    )
    spearman = np.array([one.spearman for one in classes])
    return {
        "rising": float((spearman > 0).mean()),
        "median_spearman": float(np.median(spearman)),
        "median_confidence": dict(zip(amounts, confidence.tolist(), strict=True)),
        "control_confidence": dict(zip(amounts, control.tolist(), strict=True)),
        "pairs": _pairs(classes),
    }


def _pairs(classes: Sequence[ClassRepetition]) -> dict[str, Any]:
    """Whole against halved copies. Classes that share a picture count once, by their mean."""
    pictures: dict[int, list[ClassRepetition]] = {}
    for one in classes:
        pictures.setdefault(one.individual, []).append(one)
    whole, halved = (
        np.array([np.mean([getattr(one, way) for one in same]) for same in pictures.values()])
        for way in ("whole", "halved")
    )
    difference = whole - halved
    interval = None
    if len(difference) > 1:
        resampled = bootstrap((difference,), np.mean, n_resamples=_RESAMPLES, method="percentile", rng=0)
        interval = [float(end) for end in resampled.confidence_interval]
    return {
        "pictures": len(difference),
        "whole": float(whole.mean()),
        "halved": float(halved.mean()),
        "difference": float(difference.mean()),
        "interval": interval,
        "above": float((difference > 0).mean()),
    }
