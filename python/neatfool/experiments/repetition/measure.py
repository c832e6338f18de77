"""Repeated elements (paper section 3.2): does every further copy of a motif make the classifier surer?

The copies in every elite of a run are removed one by one and the confidence is read off at each number of copies left.
The control removes exactly as large an area of the same form at a random other place, cutting across copies: what it
loses is due to the area, what the copies lose beyond it or short of it is due to their being whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.encodings import CppnPopulation
from neatfool.errors import ConfigError, RunError
from neatfool.experiments.repetition.copies import Copies, copies_in_genome, copies_in_image
from neatfool.runs import RunFolder
from neatfool.search import load_run

MOST_LEVELS = 11
"""Of more copies than this, evenly spread numbers are looked at, with all, one and none always among them."""
SURE = 0.5
"""Elites of at least this confidence are summed up apart: where there is none to lose, there is none to raise."""
SHARES = np.linspace(0, 1, 21)
"""Shares of the copies left at which classes of different numbers of copies are compared."""


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
        """Rank correlation of copies and confidence, from one copy to all: 1 if each further copy raises it."""
        return _spearman(self.levels[1:], self.confidence[1:])

    def with_copies(self, level: int) -> NDArray[np.uint8]:
        """The picture with so many copies left, shape (C, H, W), uint8; the first `self.order` are the first to go."""
        gone = np.isin(self.copies.labels, self.order[: self.copies.count - level])
        return np.where(gone, self.copies.background, self.picture)

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
        as large areas removed elsewhere.
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


def repeat(
    folder: RunFolder,
    classifier: Classifier | None = None,
    *,
    classes: str | None = None,
    min_copies: int = 3,
    orders: int = 5,
    seed: int = 0,
    on_class: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> RepetitionResult:
    """Removes repeated motifs from the elites of a run, copy by copy (paper section 3.2).

    Args:
        folder: a run of `evolve`.
        classifier: the network it was evolved against, where `load_classifier` cannot find it by name.
        classes: indices or names of the classes to look at, as in "0-4,9,goldfish"; all that were evolved by default.
        min_copies: fewer copies are no repetition; at least 2.
        orders: random orders of removal, and places of the control, to average over.
        seed: seed of both.
        on_class: called with the numbers of classes done and in all.
        stop: asked before each picture; True ends the experiment there.

    Raises:
        ConfigError: `min_copies` or `orders` is too small.
        ModelError: a class does not exist, or the classifier cannot be loaded.
        RunError: the folder is damaged, belongs to another classifier or evolved none of the classes.
    """
    if min_copies < 2:
        raise ConfigError(f"min_copies must be at least 2, not {min_copies}; one copy repeats nothing.")
    if orders < 1:
        raise ConfigError(f"orders must be at least 1, not {orders}.")
    run = load_run(folder, judge=classifier)
    archive = run.archive
    wanted = set(archive.classes.tolist() if classes is None else run.classifier.classes(classes))
    cells = [cell for cell, class_index in enumerate(archive.classes.tolist()) if class_index in wanted]
    if not cells:
        raise RunError(
            f"The run {folder.path} evolved none of the classes {classes}; `neatfool inspect` lists those it has."
        )
    by_individual = defaultdict(list)
    for cell in cells:
        by_individual[int(archive.ids[cell])].append(cell)

    found: list[ClassRepetition] = []
    done = 0
    for individual, held in by_individual.items():
        if stop and stop():
            break
        elite = archive.genomes.take(np.array(held[:1]))
        picture = np.empty((1, *elite.shape), np.uint8)
        elite.render(picture)
        copies = _find(elite, picture[0], min_copies)
        if copies is not None:
            rng = np.random.default_rng([seed, individual])
            held_classes = archive.classes[held]
            order, levels, scores, controls = _measure(run.classifier, picture[0], copies, held_classes, orders, rng)
            for column, class_index in enumerate(held_classes.tolist()):
                name = run.classifier.class_names[class_index]
                found.append(
                    ClassRepetition(
                        class_index, name, individual, picture[0], copies, order, levels,
                        scores[..., column], controls[..., column],
                    )
                )  # fmt: skip
        done += len(held)
        if on_class:
            on_class(done, len(cells))
    return RepetitionResult(
        run=str(folder.path),
        model=run.classifier.name,
        encoding=run.config.encoding.name,
        elites=done,
        classes=tuple(sorted(found, key=lambda one: one.class_index)),
        min_copies=min_copies,
        orders=orders,
        seed=seed,
        complete=done == len(cells),
    )


def _find(elite: Any, picture: NDArray[np.uint8], min_copies: int) -> Copies | None:
    """In the genome where it has a periodic node that explains the picture, else in the picture."""
    copies = copies_in_genome(elite, 0, min_copies=min_copies) if isinstance(elite, CppnPopulation) else None
    return copies or copies_in_image(picture, min_copies=min_copies)


def _measure(
    classifier: Classifier,
    picture: NDArray[np.uint8],
    copies: Copies,
    classes: NDArray[np.int64],
    orders: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Removes copies in random orders, and as much elsewhere.

    Returns:
        The first order; the levels, ascending; confidences and controls, shape (orders, levels, classes).
    """
    levels = _levels(copies.count)
    permutations = [rng.permutation(copies.count) for _ in range(orders)]
    height, width = copies.labels.shape
    shifts = [(int(rng.integers(height)), int(rng.integers(width))) for _ in range(orders)]

    # Many orders lead to the same picture, which is classified once.
    distinct: dict[bytes, int] = {}
    pictures: list[NDArray[np.uint8]] = []
    numbers = []
    for permutation, shift in zip(permutations, shifts, strict=True):
        for level in levels:
            gone = np.isin(copies.labels, permutation[: copies.count - level])
            for mask in (gone, np.roll(gone, shift, (0, 1))):
                left = np.where(mask, copies.background, picture)
                numbers.append(distinct.setdefault(left.tobytes(), len(pictures)))
                if numbers[-1] == len(pictures):
                    pictures.append(left)
    scores = classifier.confidences(np.stack(pictures))[:, classes][numbers]
    scores = scores.reshape(orders, len(levels), 2, len(classes))
    return permutations[0], levels, scores[:, :, 0], scores[:, :, 1]


def _levels(count: int) -> NDArray[np.int64]:
    """Numbers of copies to look at, ascending from 0."""
    steps = np.unique(np.rint(np.linspace(1, count, min(count, MOST_LEVELS - 1))).astype(np.int64))
    return np.concatenate([[0], steps])


def _statistics(classes: list[ClassRepetition] | tuple[ClassRepetition, ...]) -> dict[str, Any]:
    """Medians over classes; None where there is no class."""
    shares: dict[str, Callable[[ClassRepetition], float]] = {
        "all": lambda one: 1.0,
        "half": lambda one: 0.5,
        "one": lambda one: 1 / one.copies.count,
        "none": lambda one: 0.0,
    }

    def median(share: Callable[[ClassRepetition], float], control: bool) -> float | None:
        values = [float(one.at_share(np.array([share(one)]), control=control)[0]) for one in classes]
        return float(np.median(values)) if values else None

    return {
        "rising": float(np.mean([one.spearman > 0 for one in classes])) if classes else None,
        "median_spearman": float(np.median([one.spearman for one in classes])) if classes else None,
        "median_confidence": {name: median(share, False) for name, share in shares.items()},
        "control_confidence": {name: median(share, True) for name, share in shares.items()},
    }


def _spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Spearman's rank correlation; 0 if either does not vary."""
    ranks = [_ranks(values) - (len(values) - 1) / 2 for values in (a, b)]
    norm = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / norm if norm else 0.0


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of theirs."""
    below = (values[:, None] > values).sum(1)
    equal = (values[:, None] == values).sum(1)
    return np.asarray(below + (equal - 1) / 2, np.float64)
