"""Orders in which the classes of a network may stand, other than those of its class names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

_MENDING = "pass class_names to neatfool.Classifier in the order of its training, and call the folders by these names"


class ClassOrder(NamedTuple):
    """Which output of the network stands for each class.

    Attributes:
        name: what the order is called, after "with".
        change: what is different in it, in words.
        mending: how to make it the classifier's, as the end of a sentence.
        outputs: the output that is class k, int64 (classes,).
    """

    name: str
    change: str
    mending: str
    outputs: NDArray[np.int64]


def class_orders(class_names: Sequence[str]) -> list[ClassOrder]:
    """The usual mistakes, but for those that change nothing."""
    count = len(class_names)
    numbers = np.arange(count)
    text = np.array(sorted(range(count), key=str))
    names = np.array(sorted(range(count), key=lambda index: class_names[index]))
    folded = np.array(sorted(range(count), key=lambda index: class_names[index].casefold()))
    sorted_so, unsorted = "is sorted, and the labels are not", "is not sorted, and the labels are"
    orders = [
        ("the indices sorted as text", f"0, 1, 10, 100, ...: the network {sorted_so}", np.argsort(text)),
        ("the indices no longer sorted as text", f"0, 1, 10, 100, ...: the network {unsorted}", text),
        ("the class names in alphabetical order", f"the network {sorted_so}", np.argsort(names)),
        ("the class names no longer in alphabetical order", f"the network {unsorted}", names),
        ("the class names in alphabetical order, whatever their case", f"the network {sorted_so}", np.argsort(folded)),
        ("the outputs moved up by one", "the network has one class more at its beginning", (numbers + 1) % count),
        ("the outputs moved down by one", "the network has one class less at its beginning", (numbers - 1) % count),
    ]
    different: list[ClassOrder] = []
    for name, change, outputs in orders:
        known = (numbers, *(order.outputs for order in different))
        if not any(np.array_equal(outputs, other) for other in known):
            different.append(ClassOrder(name, change, _MENDING, outputs.astype(np.int64)))
    return different


def fitted_order(
    confidences: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[ClassOrder, NDArray[np.intp]] | None:
    """The order that fits best to every second image of each class, and the places of the others, to judge it by.

    None where most images are the only ones of their class: an order fitted on them cannot be judged.
    """
    turn = np.fromiter(_turns(labels), np.int64, len(labels))
    judged = np.flatnonzero(turn % 2 == 1)
    if len(judged) < len(labels) / 4:
        return None
    total = np.zeros((confidences.shape[1],) * 2)
    np.add.at(total, labels[turn % 2 == 0], confidences[turn % 2 == 0])
    classes, outputs = linear_sum_assignment(total, maximize=True)
    mapping = np.empty(len(classes), np.int64)
    mapping[classes] = outputs
    what = "an order of classes that was fitted on every second image of each class"
    return ClassOrder(what, "the classes in any order; measured on the other images", _MENDING, mapping), judged


def _turns(labels: NDArray[np.int64]) -> Iterator[int]:
    """How many images of its class come before each image."""
    seen: dict[int, int] = {}
    for label in labels.tolist():
        yield seen.get(label, 0)
        seen[label] = seen.get(label, 0) + 1
