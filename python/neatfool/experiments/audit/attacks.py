"""The attacks of an audit: each is to find images of ten different classes, with a fixed number of passes for each.

A pass is one image on its way through the network. The way back to the image counts as another one: it takes about as many
operations, since the gradients of the weights are not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from neatfool.classifiers import FOOLING_CLASS, Classifier
from neatfool.encodings import Cppn, Direct, Encoding
from neatfool.errors import ConfigError, JudgeError, ModelError
from neatfool.experiments.ascent import THRESHOLDS, AscentSettings, ascend
from neatfool.experiments.audit.settings import ATTACKS, CLASSES, FOOLED
from neatfool.models.density import REJECTED
from neatfool.runs import StopRequestedError
from neatfool.search import Evaluator, MapElites, Profile, Search
from neatfool.shared.progress import OnProgress, Progress, Stop

_CHILDREN = 4
"""Of each of T classes in a generation: few, so that a small budget has many generations."""

_ENCODINGS: dict[str, Encoding] = {"cppn": Cppn(initial_mutations=12), "direct": Direct(initial_cells=0)}
"""Part of the protocol, as the strategy is: what a run has by default may improve."""

_NO_ATTACK = (FOOLING_CLASS, REJECTED)
"""Who takes an image for one of these is not fooled."""

_WAYS = 2
_NEVER = np.iinfo(np.int64).max
SHOWN = 5
"""Most likely classes of an image that are kept."""


@dataclass(frozen=True)
class Attack:
    """What one attack came to with one seed; arrays have an entry for each of T classes.

    Attributes:
        classes: the classes, ascending, int64 (T,): those drawn, or, of evolution, those that fell first, and then those of
            which the classifier is surest.
        passes: passes spent on each class when the classifier was first fooled into it, int64 (T,); 0 for never.
        confidence: in the class, of the best image, float32 (T,).
        images: the best images, uint8 (T, C, H, W).
        top_classes: the most likely classes of these, at most five, the likeliest first, int64 (T, at most 5).
        top_confidence: their confidences, float32, of the same shape.
        spent: passes of all classes together, an int64 of no dimensions.
    """

    classes: NDArray[np.int64]
    passes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    images: NDArray[np.uint8]
    top_classes: NDArray[np.int64]
    top_confidence: NDArray[np.float32]
    spent: np.int64


def attacks_on(classifier: Classifier) -> tuple[str, ...]:
    """The names of the attacks that a classifier can be put to: without a gradient there is no ascent."""
    return ATTACKS if _has_gradient(classifier) else tuple(name for name in ATTACKS if name != "gradient")


def drawn_classes(class_names: Sequence[str], seeds: int) -> NDArray[np.int64]:
    """The classes that gradient ascent climbs for with each seed, int64 (seeds, T), the same for all classifiers of as many.

    Raises:
        ConfigError: there is none.
    """
    attackable = _attackable(class_names)
    if not len(attackable):
        raise ConfigError("The classifier has no class that an image could be mistaken for.")
    order = np.random.default_rng(0).permutation(attackable)
    count = min(CLASSES, len(order))
    # Seeds share classes only where there are not enough.
    drawn = np.arange(seeds * count).reshape(seeds, count) % len(order)
    return np.sort(order[drawn], axis=1)


def _attackable(class_names: Sequence[str]) -> NDArray[np.int64]:
    return np.array([index for index, name in enumerate(class_names) if name not in _NO_ATTACK], np.int64)


def attack(
    name: str,
    classifier: Classifier,
    drawn: NDArray[np.int64],
    *,
    budget: int,
    seed: int,
    progress: OnProgress,
    stop: Stop,
) -> Attack:
    """Does one of `attacks_on` with one seed: looks for images of T different classes.

    Evolution is free to find any classes, so that a score does not hang on how many there are; gradient ascent climbs for
    those drawn.

    Args:
        name: which.
        classifier: what is attacked.
        drawn: T classes.
        budget: passes for each of T classes; evolution has them for all classes together.
        seed: the same seed gives the same images.
        progress: told how many of the passes, of all classes together, are done.
        stop: asked often.

    Raises:
        JudgeError: the classifier failed.
        StopRequestedError: `stop` said so; nothing is kept.
    """
    total = budget * len(drawn)

    def spent(passes: int) -> None:
        progress(Progress(task=name, unit="passes", done=min(passes, total), total=total))

    if name == "gradient":
        return _climb(classifier, drawn, budget, seed, spent, stop)
    return _evolve(classifier, _ENCODINGS[name], len(drawn), total, seed, spent, stop)


def _evolve(
    classifier: Classifier,
    encoding: Encoding,
    count: int,
    total: int,
    seed: int,
    spent: Callable[[int], None],
    stop: Stop,
) -> Attack:
    cells = _attackable(classifier.class_names)
    search = Search(
        classifier.image_shape,
        classifier.class_names,
        cells=cells.tolist(),
        encoding=encoding,
        strategy=MapElites(),
        batch=_CHILDREN * count,
        seed=seed,
    )
    fell = np.full(len(cells), _NEVER)
    evaluator = Evaluator(classifier, Profile())
    try:
        while search.evaluations < total:
            if stop():
                raise StopRequestedError
            scores = evaluator(search.ask_genomes())
            fooled = scores[: total - search.evaluations, cells] >= FOOLED
            new = fooled.any(0) & (fell == _NEVER)
            fell[new] = (search.evaluations + 1 + fooled.argmax(0))[new]
            search.tell(scores)
            spent(search.evaluations)
    finally:
        evaluator.close()
    first = np.sort(np.lexsort((-search.archive.confidence, fell))[:count])
    passes = np.where(fell[first] == _NEVER, 0, -(-fell[first] // count))
    return _judged(classifier, cells[first], passes, search.archive.pixels()[first], spent=search.evaluations)


def _climb(
    classifier: Classifier, drawn: NDArray[np.int64], budget: int, seed: int, spent: Callable[[int], None], stop: Stop
) -> Attack:
    def told(now: Progress) -> None:
        spent(_WAYS * int(now.metrics["evaluations"]))

    # The last look at an image is a pass both ways, too.
    settings = AscentSettings(steps=budget // _WAYS - 1)
    result = ascend(classifier, classes=drawn.tolist(), settings=settings, seed=seed, progress=told, stop=stop)
    if not result.done:
        raise StopRequestedError
    steps = result.threshold_steps[:, THRESHOLDS.index(FOOLED)]
    passes = np.where(steps >= 0, _WAYS * (steps + 1), 0)
    return _judged(classifier, drawn, passes, result.images, spent=_WAYS * result.evaluations)


def _judged(
    classifier: Classifier,
    classes: NDArray[np.int64],
    passes: NDArray[np.int64],
    images: NDArray[np.uint8],
    *,
    spent: int,
) -> Attack:
    scores = classifier.confidences(images)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :SHOWN]
    return Attack(
        classes=classes,
        passes=passes.astype(np.int64),
        confidence=scores[np.arange(len(classes)), classes],
        images=images,
        top_classes=top.astype(np.int64),
        top_confidence=np.take_along_axis(scores, top, axis=1),
        spent=np.int64(spent),
    )


def _has_gradient(classifier: Classifier) -> bool:
    image = torch.full((1, *classifier.image_shape), 128.0, device=classifier.device, requires_grad=True)
    try:
        return classifier.logits(image).requires_grad
    except (JudgeError, ModelError):
        return False
