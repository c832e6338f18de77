"""The images that the generative classifier is asked about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import Cppn
from neatfool.errors import RunError
from neatfool.experiments.hypothesis.result import Images
from neatfool.runs import RunFolder, read_elites


def control_images(digits: Images, *, count: int, seed: int) -> dict[str, Images]:
    """Images that are not upright white digits on black, by name: uint8 (N, 1, 28, 28) each.

    Args:
        digits: uint8 (N, 1, 28, 28).
        count: Of the images that are no changed digits.
        seed: Of the noise, the shuffling and the networks.
    """
    random = np.random.default_rng((seed, 1))
    shape = digits.shape[1:]
    networks = Cppn().start(count, shape=(1, 28, 28), seed=seed)
    drawn = np.empty((count, 1, 28, 28), np.uint8)
    networks.render(drawn)
    grays = np.arange(1, 256, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
    return {
        "black": np.zeros((1, *shape), np.uint8),
        "one gray all over": np.broadcast_to(grays, (255, *shape)).copy(),
        "uniform noise": random.integers(0, 256, (count, *shape), dtype=np.uint8),
        "random CPPNs": drawn,
        "digits, inverted": 255 - digits,
        "digits, a quarter turn": np.ascontiguousarray(np.rot90(digits, axes=(2, 3))),
        "digits, pixels shuffled": random.permuted(digits.reshape(len(digits), -1), axis=1).reshape(digits.shape),
    }


def run_images(run: RunFolder) -> tuple[Images, NDArray[np.int64]]:
    """A run's images, uint8 (N, 1, 28, 28), and the digit each was evolved for, int64 (N,).

    Raises:
        RunError: The run is not of ten digits, or has no images yet.
    """
    if run.manifest.image_shape != (1, 28, 28) or len(run.manifest.class_names) != 10:
        raise RunError(f"{run.path} is not a run on MNIST digits; pass runs of evolve against lenet-mnist or its like.")
    elites = read_elites(run)
    if not len(elites):
        raise RunError(f"{run.path} has no images yet; let it reach its first checkpoint.")
    return elites.pixels(), elites.classes
