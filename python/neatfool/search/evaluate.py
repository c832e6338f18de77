"""Genomes in, confidences out."""

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

_DRAWN_BYTES = 2**20


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
    """Draws and classifies batches of genomes.

    A GPU works on one chunk while the next is drawn into another buffer. On a CPU both would want the same cores, and
    slow each other down; there about a megabyte of pictures, whole chunks, is drawn by all threads, and then classified.
    The confidences depend on the genomes alone: every chunk has the classifier's own fixed size, whatever the timing.
    """

    def __init__(self, classifier: Classifier, profile: Profile) -> None:
        self._classifier = classifier
        self._profile = profile
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="neatfool-draw")
        chunk = classifier.image_buffer()
        if classifier.device.type == "cpu":
            self._chunks = self._in_turn
            self._buffers = [np.concatenate([chunk] * max(1, _DRAWN_BYTES // chunk.nbytes))]
        else:
            self._chunks = self._ahead
            self._buffers = [chunk, classifier.image_buffer()]

    def __call__(self, genomes: Population) -> NDArray[np.float32]:
        """Scores every genome on every class.

        Returns:
            Softmax confidences, shape (N, classes), float32.
        """
        with self._profile.stage("classify"):
            return self._classifier.stream_confidences(self._chunks(genomes))

    def _in_turn(self, genomes: Population) -> Iterator[NDArray[np.uint8]]:
        chunk, (buffer,) = self._classifier.chunk, self._buffers
        for first in range(0, len(genomes), len(buffer)):
            drawn = buffer[: len(genomes) - first]
            with self._profile.stage("render"):
                genomes.render(drawn, first=first)
            for start in range(0, len(drawn), chunk):
                yield drawn[start : start + chunk]

    def _ahead(self, genomes: Population) -> Iterator[NDArray[np.uint8]]:
        chunk = self._classifier.chunk
        starts = range(0, len(genomes), chunk)

        def draw(number: int) -> NDArray[np.uint8]:
            out = self._buffers[number % 2][: len(genomes) - starts[number]]
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
