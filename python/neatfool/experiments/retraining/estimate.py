"""How long a retraining will take, from a few images of everything that it does often."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from neatfool.classifiers import Classifier
from neatfool.classifiers.layers import seeded
from neatfool.data import LabelledImages, read_images
from neatfool.experiments.retraining.fooling import evolve_images
from neatfool.search import EvolveConfig
from neatfool.shared.text import duration

_SECONDS = 0.2
"""About as long each is measured, if an image does not take longer."""


@dataclass(frozen=True)
class Pace:
    """Seconds that an image takes.

    Attributes:
        evolved: to be drawn and judged in an evolution, on average over the encodings.
        read: to be read, a real one.
        judged: to pass through the network.
        trained: to pass through it and back.
    """

    evolved: float
    read: float
    judged: float
    trained: float


@dataclass(frozen=True)
class Amounts:
    """Images of one round of retraining.

    Attributes:
        tested: real ones to judge by.
        judging: evolved to judge by.
        collected: evolved to train on.
        shown: passed through the network and back, over all epochs.
        once: passed through it once before training, for features that are frozen or answers to distil.
    """

    tested: int
    judging: int
    collected: int = 0
    shown: int = 0
    once: int = 0


def measure_pace(
    network: Classifier,
    attacked: Classifier,
    real: LabelledImages,
    searches: Sequence[EvolveConfig],
    *,
    batch: int | None,
    training_batch: int,
) -> Pace:
    """Times a few images of each kind; `attacked` is the network as evolutions run it.

    The network, and torch's random numbers, are left as they were.
    """
    count = min(len(real), max(2, network.chunk))
    begin = time.perf_counter()
    images = read_images(real, np.arange(count))
    read = (time.perf_counter() - begin) / count
    network.confidences(images)
    judged = _seconds(lambda: network.confidences(images)) / count
    few = max(2, round(_SECONDS / max(judged, 1e-9)))
    # Drawing takes little beside a network that is slow.
    evolved = judged if attacked is network else _seconds(lambda: attacked.confidences(images)) / count
    if few > network.chunk:
        each = [_evolution(attacked, search, min(batch or 200, few)) for search in searches]
        evolved = sum(each) / len(each)
    return Pace(evolved, read, judged, _training(network, images[: min(few, training_batch)]))


def plan_round(pace: Pace, amounts: Amounts) -> dict[str, float]:
    """The parts of a round in their order, with the seconds that each is expected to take."""
    seen = pace.read + pace.judged
    return {
        "collect": amounts.collected * pace.evolved,
        "train": amounts.shown * (pace.read + pace.trained) + amounts.once * seen,
        "test": amounts.tested * seen,
        "judge": amounts.judging * pace.evolved,
    }


class Course:
    """How far a retraining is, in shares of the time that it is expected to take.

    Args:
        first: parts of round 0, with their seconds.
        later: parts of each further round.
        rounds: number of further rounds.
    """

    def __init__(self, first: Mapping[str, float], later: Mapping[str, float], rounds: int) -> None:
        self._first, self._later, self._rounds = first, later, rounds
        self._all = sum(first.values()) + rounds * sum(later.values())

    def share(self, number: int, part: str, done: float) -> float:
        """The share of the whole at the beginning of round `number`, if no part is named, or within a part of it."""
        parts = self._later if number else self._first
        before = (sum(self._first.values()) + (number - 1) * sum(self._later.values())) if number else 0.0
        for name, seconds in parts.items():
            if not part:
                break
            if name == part:
                before += done * seconds
                break
            before += seconds
        return min(1.0, before / self._all) if self._all else 0.0

    def note(self) -> str:
        """What to expect, as a sentence."""
        one, whole = duration(sum(self._later.values())), duration(self._all)
        return f"A round will take about {one} here, everything about {whole}."


def _seconds(action: Callable[[], object]) -> float:
    """The median time of three calls, or of one that takes long."""
    times: list[float] = []
    while len(times) < 3 and sum(times) < _SECONDS:
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def _evolution(network: Classifier, search: EvolveConfig, batch: int) -> float:
    """Seconds for each image of the last generations of a very short evolution."""
    moments: list[float] = []
    evolve_images(
        network,
        search,
        classes=min(2, network.n_classes),
        at=[3],
        batch=batch,
        seed=0,
        progress=lambda _: moments.append(time.perf_counter()),
    )
    return float(np.median(np.diff(moments))) / batch


def _training(network: Classifier, images: NDArray[np.uint8]) -> float:
    """Seconds for each image of a training step, on a copy of the network."""
    copied = network.with_module(copy.deepcopy(network.module), network.class_names)
    copied.module.train().requires_grad_(True)
    pixels, labels = torch.from_numpy(images), torch.zeros(len(images), dtype=torch.int64, device=network.device)

    def step() -> None:
        loss = cross_entropy(copied.forward(pixels.to(network.device)), labels)
        torch.autograd.backward(loss)
        loss.item()  # waits for a GPU

    with seeded(0, network.device):
        step()
        return _seconds(step) / len(images)
