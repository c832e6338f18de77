"""Collecting fooling images: not only what an evolution ends with, but also what it passed through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.search import EvolveConfig, evolve
from neatfool.shared.progress import OnProgress, Progress, Stop, silent


@dataclass(frozen=True)
class Evolved:
    """Different individuals that were elites at one of several moments of an evolution.

    Attributes:
        images: their pictures, uint8 (M, channels, height, width).
        classes: the class each is an elite of, the one it is the surest for; int64 (M,).
        confidence: its confidence for that class, float32 (M,).
        elites: for every class, the row of the elite that the evolution ended with; int64 (classes,).
        elite_confidence: confidence of those elites, float32 (classes,).
    """

    images: NDArray[np.uint8]
    classes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    elites: NDArray[np.int64]
    elite_confidence: NDArray[np.float32]


def best_of(evolved: Sequence[Evolved]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """For every class the most confident of several evolutions' elites: its picture and its confidence."""
    confidence = np.stack([one.elite_confidence for one in evolved])
    winner = confidence.argmax(0)
    pictures = [evolved[who].images[evolved[who].elites[cell]] for cell, who in enumerate(winner)]
    return np.stack(pictures), confidence.max(0)


def rejudged(evolved: Evolved, classifier: Classifier) -> Evolved:
    """The same images with what another classifier says of them."""
    said = classifier.confidences(evolved.images)
    confidence = said[np.arange(len(said)), evolved.classes]
    cells = np.arange(len(evolved.elites))
    return replace(evolved, confidence=confidence, elite_confidence=said[evolved.elites, cells])


def moments(generations: int, count: int) -> list[int]:
    """At most `count` generations, the last among them, denser towards the start where elites change most."""
    count = min(count, generations + 1)
    if count == 1:
        return [generations]
    return [max(step, round(generations * (step / (count - 1)) ** 2)) for step in range(count)]


def evolve_images(
    classifier: Classifier,
    search: EvolveConfig,
    *,
    classes: int,
    at: list[int],
    batch: int | None,
    seed: int,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> tuple[Evolved, list[dict[str, Any]]]:
    """Evolves images for the first `classes` classes and keeps every individual that is an elite at a moment of `at`.

    Args:
        classifier: the network to fool.
        search: what genomes are, and how they are found.
        classes: number of classes to evolve for; at least 2.
        at: rising generation numbers; the evolution ends with the last.
        batch: children of each generation; None as `evolve` chooses.
        seed: the same seed gives the same images.
        progress: told of each generation.
        stop: asked before each generation; True ends the evolution early.

    Returns:
        The images, and the metrics of every generation.
    """
    tell = progress or silent

    def told(now: Progress) -> None:
        tell(replace(now, total=at[-1]))

    run = evolve(
        classifier,
        config=search,
        generations=at[0],
        batch=batch,
        seed=seed,
        classes=f"0-{classes - 1}",
        progress=told,
        stop=stop,
    )
    rows: dict[int, int] = {}
    images, labels, confidence = [], [], []
    for generation in at:
        run.advance(generation, progress=told, stop=stop)
        archive = run.archive
        surest = np.argsort(-archive.confidence, kind="stable")
        ids, first = np.unique(archive.ids[surest], return_index=True)
        cells = surest[first[[int(individual) not in rows for individual in ids]]]
        images.append(archive.pixels()[cells])
        labels.append(archive.classes[cells])
        confidence.append(archive.confidence[cells])
        for individual in archive.ids[cells].tolist():
            rows[individual] = len(rows)
    evolved = Evolved(
        images=np.concatenate(images),
        classes=np.concatenate(labels),
        confidence=np.concatenate(confidence),
        elites=np.array([rows[individual] for individual in run.archive.ids.tolist()], np.int64),
        elite_confidence=run.archive.confidence,
    )
    return evolved, run.metrics
