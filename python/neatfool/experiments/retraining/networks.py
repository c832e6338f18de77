"""The networks of a retraining with their images, read from its folder."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import RunError
from neatfool.experiments.retraining.figure import Network
from neatfool.experiments.retraining.fooling import best_of
from neatfool.experiments.retraining.rounds import read_rounds
from neatfool.experiments.retraining.state import read_judged
from neatfool.runs import RunFolder
from neatfool.shared.pixels import as_picture

MOST_CLASSES = 10


def read_networks(folder: RunFolder) -> tuple[list[Network], list[str]]:
    """Every network with images evolved against it, and the names of the classes shown.

    Of more than ten classes the ten are shown that the first network was surest of.

    Raises:
        RunError: the run has no complete round yet, or a file is damaged.
    """
    rows = [asdict(one) for one in read_rounds(folder)]
    if not rows:
        raise RunError(f"{folder.path} has no complete round yet; continue it with `neatfool resume`.")
    first = best_of(list(read_judged(folder, 0).values()))[1]
    shown = np.sort(np.argsort(-first, kind="stable")[:MOST_CLASSES])
    names = [folder.manifest.class_names[index] for index in shown]
    return [_network(folder, number, shown, row) for number, row in enumerate(rows)], names


def _network(folder: RunFolder, number: int, shown: NDArray[np.int64], row: dict[str, Any]) -> Network:
    pixels, confidence = best_of(list(read_judged(folder, number).values()))
    if shown.max() >= len(pixels):
        raise RunError(f"Round {number} of {folder.path} has images of fewer classes than round 0; it is damaged.")
    return Network(f"DNN{number + 1}", [as_picture(one) for one in pixels[shown]], confidence[shown].tolist(), row)
