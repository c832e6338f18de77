"""Genomes in, confidences out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from neatfool.classifiers import as_confidences
from neatfool.encodings import Population, Shape
from neatfool.errors import JudgeError
from neatfool.search.judge import Confidences, EagerJudge, GenomeJudge, Images, Judge, StreamingJudge
from neatfool.shared.text import reason

_DRAWN_BYTES = 2**20


@dataclass
class Profile:
    """Seconds of wall time spent in each stage of a run; `render` counts only the time the judge had to wait for pixels.

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
    """Has batches of genomes judged: drawn here, or by a judge that takes genomes."""

    def __init__(self, judge: Judge, profile: Profile) -> None:
        self._judge = judge
        self._profile = profile
        self._scorer = judge if isinstance(judge, GenomeJudge) else _Drawn(judge, profile)

    def __call__(self, genomes: Population, *, later: Sequence[Population] = ()) -> Confidences:
        """Scores every genome on every class.

        Args:
            genomes: N genomes.
            later: the batches that come next, on which an `EagerJudge` may begin.

        Returns:
            Confidences, shape (N, classes), float32.

        Raises:
            JudgeError: the judge failed, or returned something else than confidences of this shape; with the images.
        """
        with self._profile.stage("classify"):
            try:
                if later and isinstance(self._judge, EagerJudge):
                    for batch in (genomes, *later):
                        self._judge.begin(batch)
                scores = self._scorer.genome_confidences(genomes)
                return check_confidences(scores, self._judge, len(genomes))
            except JudgeError as error:
                if error.images is None:
                    error.images = np.empty((len(genomes), *self._judge.image_shape), np.uint8)
                    genomes.render(error.images)
                raise

    def close(self) -> None:
        """Ends the drawing thread, or what the judge was to do later, if there is any."""
        if isinstance(self._scorer, _Drawn):
            self._scorer.close()
        elif isinstance(self._judge, EagerJudge):
            self._judge.forget()


class _Drawn:
    """A judge of images as one of genomes, which are drawn here.

    A GPU works on one chunk while the next is drawn into another buffer. On a CPU both would want the same cores, and
    slow each other down; there about a megabyte of pictures, whole chunks, is drawn by all threads, and then judged.
    The confidences depend on the genomes alone: every chunk has the judge's own fixed size, whatever the timing.
    """

    def __init__(self, judge: Judge, profile: Profile) -> None:
        self._streaming = judge if isinstance(judge, StreamingJudge) else _Streamed(judge)
        self._profile = profile
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="neatfool-draw")
        chunk = self._streaming.image_buffer()
        if self._streaming.draws_ahead:
            self._buffers = [chunk, self._streaming.image_buffer()]
        else:
            self._buffers = [np.concatenate([chunk] * max(1, _DRAWN_BYTES // chunk.nbytes))]

    def genome_confidences(self, genomes: Population) -> Confidences:
        # Chosen here: an object that kept a method of its own would be a cycle, and its buffers would outlive it.
        chunks = self._ahead if self._streaming.draws_ahead else self._in_turn
        return self._streaming.stream_confidences(chunks(genomes))

    def _in_turn(self, genomes: Population) -> Iterator[Images]:
        chunk, (buffer,) = self._streaming.chunk, self._buffers
        for first in range(0, len(genomes), len(buffer)):
            drawn = buffer[: len(genomes) - first]
            with self._profile.stage("render"):
                genomes.render(drawn, first=first)
            for start in range(0, len(drawn), chunk):
                yield drawn[start : start + chunk]

    def _ahead(self, genomes: Population) -> Iterator[Images]:
        chunk = self._streaming.chunk
        starts = range(0, len(genomes), chunk)

        def draw(number: int) -> Images:
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
        self._drawer.shutdown()


def check_confidences(scores: object, judge: Judge, count: int) -> Confidences:
    """What a judge returned for so many images, once it is known to be confidences; see `as_confidences`."""
    return as_confidences(scores, (count, len(judge.class_names)), name=judge.name)


class _Streamed:
    """Any judge, shown images a chunk of its own memory at a time."""

    draws_ahead = False

    def __init__(self, judge: Judge) -> None:
        self.name = judge.name
        self.image_shape: Shape = judge.image_shape
        self.class_names = judge.class_names
        self.confidences = judge.confidences
        self.chunk = max(1, _DRAWN_BYTES // int(np.prod(judge.image_shape)))

    def image_buffer(self) -> Images:
        return np.empty((self.chunk, *self.image_shape), np.uint8)

    def stream_confidences(self, chunks: Iterable[Images]) -> Confidences:
        return np.concatenate([check_confidences(self._ask(images), self, len(images)) for images in chunks])

    def _ask(self, images: Images) -> Confidences:
        try:
            return self.confidences(images)
        except JudgeError:
            raise
        except (Exception, SystemExit) as error:
            raise JudgeError(
                f"{self.name} failed on a batch of shape {images.shape} ({reason(error)}); mend it.",
                images=images.copy(),
            ) from error
