"""Repeated elements (paper section 3.2): does every further copy of a motif make the classifier surer?

The copies in every elite of a run are removed one by one and the confidence is read off at each number of copies left.
The control removes exactly as large an area of the same form at a random other place, cutting across copies.

A second comparison is matched in place, too. The copies are paired. Of every pair either one copy goes, or a half of each:
the same area, at the same places, but then no whole copy is left of it. Both are done in both ways, so that over all, every
pixel goes as often whole as halved. What one keeps beyond the other is due to the copies that are left being whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.encodings import CppnPopulation
from neatfool.errors import ConfigError, RunError
from neatfool.experiments.repetition.copies import Copies, copies_in_genome, copies_in_image
from neatfool.experiments.repetition.result import ClassRepetition, RepetitionResult
from neatfool.runs import RunFolder
from neatfool.search import Judge, Run, as_run, chosen_classes
from neatfool.shared.progress import OnProgress, Progress, Stop

MOST_LEVELS = 11
"""Of more copies than this, evenly spread numbers are looked at, with all, one and none always among them."""


def repeat(
    source: Run | RunFolder | Path | str,
    *,
    classes: str | int | Sequence[str | int] | None = None,
    judge: Classifier | None = None,
    min_copies: int = 3,
    orders: int = 5,
    seed: int = 0,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> RepetitionResult:
    """Removes repeated motifs from the elites of a run, copy by copy (paper section 3.2).

    Args:
        source: a run of `evolve`, or its folder.
        classes: classes to look at, by index or name: one, several, or text as in "0-4,9,goldfish"; all that were evolved by
            default.
        judge: the network it was evolved against, where `load_classifier` cannot find it by name.
        min_copies: fewer copies are no repetition; at least 2.
        orders: random orders of removal, and places of the control, to average over.
        seed: seed of both.
        progress: told of each picture.
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
    run = as_run(source, judge=judge)
    archive, classifier = run.archive, run.judge
    where = str(run.folder.path) if run.folder else f"run of seed {run.config.seed}"
    names = classifier.class_names
    wanted = archive.classes.tolist() if classes is None else chosen_classes(classes, names, model=classifier.name)
    cells = [cell for cell, class_index in enumerate(archive.classes.tolist()) if class_index in wanted]
    if not cells:
        raise RunError(f"The run {where} evolved none of the classes {classes}; `neatfool inspect` lists those it has.")
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
            order, levels, scores, controls = _measure(classifier, picture[0], copies, held_classes, orders, rng)
            whole, halved = _measure_pairs(classifier, picture[0], copies, held_classes, orders, rng)
            for column, class_index in enumerate(held_classes.tolist()):
                name = names[class_index]
                found.append(
                    ClassRepetition(
                        class_index, name, individual, picture[0], copies, order, levels,
                        scores[..., column], controls[..., column], whole[:, column], halved[:, column],
                    )
                )  # fmt: skip
        done += len(held)
        if progress:
            progress(Progress(task="removing copies", unit="classes", done=done, total=len(cells)))
    return RepetitionResult(
        run=where,
        model=classifier.name,
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
    classifier: Judge,
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


def _measure_pairs(
    classifier: Judge,
    picture: NDArray[np.uint8],
    copies: Copies,
    classes: NDArray[np.int64],
    orders: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Removes one copy of every random pair of copies, or a half of each.

    Returns:
        The confidences where whole copies went, and where halves did, shape (orders, classes).
    """
    pictures = []
    for _ in range(orders):
        pairs = rng.permutation(copies.count)[: copies.count // 2 * 2].reshape(-1, 2)
        one, other = (np.isin(copies.labels, side) for side in pairs.T)
        # Which half of the one copy goes, for every pair; of the other it is the other half.
        firsts = np.isin(copies.labels, pairs[rng.random(len(pairs)) < 0.5])
        half = (one & (copies.first_half == firsts)) | (other & (copies.first_half != firsts))
        for gone in (one, other, half, (one | other) & ~half):
            pictures.append(np.where(gone, copies.background, picture))
    scores = classifier.confidences(np.stack(pictures))[:, classes].astype(np.float64)
    ways = scores.reshape(orders, 2, 2, len(classes)).mean(2)
    return ways[:, 0], ways[:, 1]


def _levels(count: int) -> NDArray[np.int64]:
    """Numbers of copies to look at, ascending from 0."""
    steps = np.unique(np.rint(np.linspace(1, count, min(count, MOST_LEVELS - 1))).astype(np.int64))
    return np.concatenate([[0], steps])
