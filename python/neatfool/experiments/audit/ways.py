"""Other ways of preparing images for a network: the usual mistakes in range, order of channels and orientation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_MNIST = ((0.1307,), (0.3081,))


class Way(NamedTuple):
    """Another preprocessing: other settings of the classifier, other images, or both.

    Attributes:
        name: what it is called, after "with".
        change: what is different in it, in words.
        cause: what is probably wrong if it is better, as a clause.
        mending: how to make it the classifier's own, as the end of a sentence.
        settings: arguments of `Classifier`, in place of the classifier's own.
        turn: what is done to the images, uint8 (N, C, H, W).
    """

    name: str
    change: str
    cause: str
    mending: str
    settings: dict[str, Any]
    turn: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def _unturned(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images


def _ranges(classifier: Classifier) -> Iterator[Way]:
    """The usual ranges of pixels, but for the one that the classifier has."""
    n = classifier.channels
    mean, std = _IMAGENET if n == 3 else _MNIST
    whose = "ImageNet" if n == 3 else "MNIST"
    zeros, ones, halves = (0.0,) * n, (1.0,) * n, (0.5,) * n
    usual = [
        (f"mean and std of {whose}", 1 / 255, mean, std, f"mean={mean}, std={std}"),
        ("pixels from -1 to 1", 1 / 255, halves, halves, f"mean={halves}, std={halves}"),
        ("pixels from 0 to 1", 1 / 255, zeros, ones, "neither scale nor mean nor std"),
        ("pixels from 0 to 255", 1.0, zeros, ones, "scale=1 and neither mean nor std"),
    ]
    if n == 3:
        centre = tuple(round(255 * value, 3) for value in mean)
        usual.append(("pixels from 0 to 255, less the mean of ImageNet", 1.0, centre, ones, f"scale=1, mean={centre}"))
    now = _ends(classifier.scale, classifier.mean, classifier.std)
    unnormalised = np.allclose(now, _ends(1 / 255, zeros, ones), atol=0.02)
    cause = "the images are probably " + (
        "not normalised as in the training of the network"
        if unnormalised
        else f"in another range than in the training of the network (now black is {now[0][0]:.3g}, white {now[1][0]:.3g})"
    )
    for name, scale, mean_, std_, arguments in usual:
        if not np.allclose(_ends(scale, mean_, std_), now, rtol=0.02, atol=0.02):
            settings = {"scale": scale, "mean": mean_, "std": std_}
            mending = f"pass {arguments} to neatfool.Classifier"
            yield Way(name, f"{name}, whatever the classifier says", cause, mending, settings, _unturned)


def _ends(scale: float, mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float64]:
    """What black and white become in each channel, (2, channels)."""
    ends: NDArray[np.float64] = (np.array([[0.0], [255.0]]) * scale - np.array(mean)) / np.array(std)
    return ends


def _turns(classifier: Classifier) -> Iterator[Way]:
    """Images turned into others."""
    if classifier.channels == 3:
        # Each colour keeps its own mean.
        own = {"mean": classifier.mean[::-1], "std": classifier.std[::-1]}
        yield Way(
            "channels reversed",
            "BGR instead of RGB, or the other way round",
            "the network probably takes its channels in the other order, BGR, as OpenCV reads pictures, and not RGB",
            "reverse them, as x.flip(1) at the start of the module does",
            own,
            lambda images: images[:, ::-1],
        )
    else:
        yield Way(
            "inverted",
            "black and white exchanged",
            "the network was probably trained on images of inverted brightness",
            "invert the images, or pass scale=-1/255 and a mean that is lower by 1 to neatfool.Classifier",
            {},
            lambda images: 255 - images,
        )
    if classifier.image_size[0] == classifier.image_size[1]:
        yield Way(
            "transposed",
            "rows and columns exchanged",
            "the network was probably trained on images whose rows and columns are exchanged",
            "transpose them, as x.transpose(2, 3) at the start of the module does",
            {},
            lambda images: images.swapaxes(2, 3),
        )


def single_ways(classifier: Classifier) -> Iterator[Way]:
    """Ways with one difference."""
    yield from _ranges(classifier)
    yield from _turns(classifier)


def double_ways(classifier: Classifier) -> Iterator[Way]:
    """Another range of images that are turned too."""
    for turned in _turns(classifier):
        for ranged in _ranges(classifier):
            settings = dict(ranged.settings)
            if classifier.channels == 3 and "mean" in turned.settings:
                settings |= {"mean": settings["mean"][::-1], "std": settings["std"][::-1]}
            yield Way(
                f"{ranged.name}, {turned.name}",
                f"{ranged.change}; {turned.change}",
                f"{ranged.cause}, and {turned.cause}",
                f"{ranged.mending}, and {turned.mending}",
                settings,
                turned.turn,
            )
