"""Genomes in, confidences out: the next chunk is drawn while the network works on this one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.encodings import Population


@dataclass
class Profile:
    """Seconds of wall time spent in each stage of a run; `render` counts only the time the network had to wait for pixels.

    A stage inside another one is not counted twice.
    """

    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("vary", "render", "classify", "select", "write"), 0.0)
    )
    _outer: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time its block takes to a stage."""
        begin = time.perf_counter()
        self._outer.append(name)
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            self._outer.pop()
            self.seconds[name] += spent
            if self._outer:
                self.seconds[self._outer[-1]] -= spent


class Evaluator:
    """Draws and classifies batches of genomes, a chunk at a time, in two alternating buffers.

    The confidences depend on the genomes alone: every chunk has the classifier's own fixed size, whatever the timing.
    """

    def __init__(self, classifier: Classifier, profile: Profile) -> None:
        self._classifier = classifier
        self._profile = profile
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="neatfool-draw")
        self._buffers = [classifier.image_buffer() for _ in range(2)]

    def __call__(self, genomes: Population) -> NDArray[np.float32]:
        """Scores every genome on every class.

        Returns:
            Softmax confidences, shape (N, classes), float32.
        """
        with self._profile.stage("classify"):
            return self._classifier.stream_confidences(self._chunks(genomes))

    def _chunks(self, genomes: Population) -> Iterator[NDArray[np.uint8]]:
        """The pictures a chunk at a time; when one is asked for, the one before it is done with and the next is begun."""
        chunk = self._classifier.chunk
        starts = range(0, len(genomes), chunk)

        def draw(number: int) -> NDArray[np.uint8]:
            count = min(chunk, len(genomes) - starts[number])
            out = self._buffers[number % 2][:count]
            genomes.render(out, first=starts[number])
            return out

        ahead = self._drawer.submit(draw, 0)
        for number in range(len(starts)):
            with self._profile.stage("render"):
                images = ahead.result()
            if number + 1 < len(starts):
                ahead = self._drawer.submit(draw, number + 1)
            yield images

    def close(self) -> None:
        """Ends the drawing thread."""
        self._drawer.shutdown()
