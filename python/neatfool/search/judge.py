"""Who says how sure it is of an image: a classifier, or anything else that looks at images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import Population, Shape

Images = NDArray[np.uint8]
"""(N, channels, height, width), uint8; channels is 1 (gray) or 3 (RGB)."""

Confidences = NDArray[np.float32]
"""(N, classes), float32 in [0, 1]."""


class Judge(Protocol):
    """What scores a batch of images. `neatfool.Classifier` is one; `FunctionJudge` makes one of a plain function."""

    @property
    def name(self) -> str:
        """What it is called in messages and run folders."""

    @property
    def image_shape(self) -> Shape:
        """(channels, height, width) of the images it looks at."""

    @property
    def class_names(self) -> Sequence[str]:
        """A name for each class."""

    def confidences(self, images: Images) -> Confidences:
        """How sure it is, of every image, that it belongs to each class.

        The same image must get the same numbers whatever it is judged with.

        Args:
            images: uint8 (N, *image_shape). The memory is used again afterwards.

        Returns:
            float32 (N, classes), finite.
        """


@runtime_checkable
class StreamingJudge(Judge, Protocol):
    """A judge that is faster when images reach it a chunk at a time, as a network on a GPU is."""

    @property
    def chunk(self) -> int:
        """Images it looks at in one go."""

    @property
    def draws_ahead(self) -> bool:
        """Whether the next chunk should be drawn while it works on this one, because it leaves the processor free."""

    def image_buffer(self) -> Images:
        """Room for one chunk of images, uint8 (chunk, *image_shape)."""

    def stream_confidences(self, chunks: Iterable[Images]) -> Confidences:
        """`confidences` of all images together, which come in chunks; the memory of one is used again for a later one."""


@runtime_checkable
class GenomeJudge(Judge, Protocol):
    """A judge that draws the images itself, because it looks at them elsewhere: a genome is a thousandth of its image."""

    def genome_confidences(self, genomes: Population) -> Confidences:
        """`confidences` of the images that these genomes draw, float32 (len(genomes), classes)."""


@runtime_checkable
class EagerJudge(GenomeJudge, Protocol):
    """A judge of genomes that can be at work on several batches at once."""

    def begin(self, genomes: Population) -> None:
        """Begins on what `genome_confidences` will be asked for, with this very object; once more does nothing."""

    def forget(self) -> None:
        """Gives up what was begun and not asked for."""


def stands_for(judge: Judge) -> Judge:
    """What is fooled in the end: what a judge names as its `stands_for`, whose copies it asks elsewhere, or itself."""
    found: Judge = getattr(judge, "stands_for", judge)
    return found


class FunctionJudge:
    """A judge from a plain function.

    Args:
        function: uint8 (N, *image_shape) to finite numbers (N, classes).
        image_shape: (channels, height, width).
        classes: the names of the classes, or their number.
        name: what to call it; the function's name if None.
    """

    def __init__(
        self,
        function: Callable[[Images], Any],
        *,
        image_shape: Shape,
        classes: Sequence[str] | int,
        name: str | None = None,
    ) -> None:
        self.name = name or getattr(function, "__name__", "judge")
        self.image_shape = image_shape
        self.class_names: tuple[str, ...] = (
            tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
        )
        self._function = function

    def confidences(self, images: Images) -> Confidences:
        """See `Judge.confidences`."""
        return np.asarray(self._function(images), np.float32)

    def __repr__(self) -> str:
        return f"<FunctionJudge {self.name!r}, {len(self.class_names)} classes, images {self.image_shape}>"
