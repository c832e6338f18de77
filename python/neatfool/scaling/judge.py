"""A judge that asks copies of a classifier in worker processes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from neatfool.classifiers import Classifier
from neatfool.encodings import Population
from neatfool.errors import ConfigError
from neatfool.models import ModelConfig
from neatfool.scaling.cluster import check_room, connect, cores_per_worker, import_ray, room
from neatfool.scaling.crew import Crew, Work
from neatfool.scaling.worker import Facts, Worker
from neatfool.search.judge import Confidences, Images

log = logging.getLogger(__name__)

_PIECES_EACH = 4
"""Pieces that a batch is cut into for each worker: enough that all end at about the same time."""

_MOST_WORKERS = 10_000

_LARGEST_PIECE = 2**20
"""Confidences in a piece, so that those on their way fit into memory."""


@dataclass(frozen=True, eq=False)
class _Batch:
    """Genomes on which the workers have begun."""

    genomes: Population
    work: Work
    scores: Confidences


class RayJudge:
    """A classifier in many worker processes of a Ray cluster, on one machine or on many.

    Genomes go to the workers, and confidences come back; pictures stay where they are drawn. The confidences are those of the
    classifier in one process with the same device, backend and number of threads, bit for bit, whatever the number of workers:
    a batch is cut at multiples of the classifier's chunk. Workers may come and go; what one was doing when it died is done
    again.

    Use it in a `with` block, or `close` it. One judge serves any number of runs, one after the other.

    Args:
        model: the classifier, by name, as settings, or one that `load_classifier` made: each worker loads it again, so its
            files have to be on every machine.
        workers: a number of workers, on this machine unless `ray.init` has connected to another; "auto" for as many as the
            cluster of this machine has room for at every moment; or "HOST:PORT" of a cluster.
        per_worker_gpus: GPUs of each worker, which may be a fraction; 0 for the CPU.
        per_worker_cpus: cores and threads of each worker. By default 1, with GPUs the worker's share of its machine's.

    Raises:
        ConfigError: Ray is not installed, there is no such cluster, or it has no room for a worker.
        ModelError: the classifier cannot be loaded, here or there.
    """

    def __init__(
        self,
        model: Classifier | ModelConfig | str,
        *,
        workers: int | str = "auto",
        per_worker_gpus: float = 0,
        per_worker_cpus: int | None = None,
    ) -> None:
        _check(workers, per_worker_gpus, per_worker_cpus)
        config = _config_of(model)
        if config.device.startswith("cuda") and not per_worker_gpus:
            raise ConfigError(
                f"Workers without GPUs cannot run {config.name} on {config.device}; pass --per-worker-gpus 1, or leave out "
                "--device."
            )
        import_ray()
        from neatfool.scaling.metrics import Metrics

        self.stands_for = config.model_copy(update={"device": "cpu"}).load()
        self.name = self.stands_for.name
        self.image_shape = self.stands_for.image_shape
        self.class_names = self.stands_for.class_names
        self._there = config.model_copy(update={"device": "cuda" if per_worker_gpus else "cpu"}).model_dump()
        self._fingerprint = self.stands_for.fingerprint()
        self._first: Facts | None = None
        self._begun: list[_Batch] = []
        # Beside GPUs every core of the machine draws.
        cpus = per_worker_cpus or (None if per_worker_gpus else 1)
        self._connected = connect(workers, cpus=cpus)
        try:
            self._gpus = per_worker_gpus
            self._cpus = per_worker_cpus or cores_per_worker(per_worker_gpus)
            self._most = workers if isinstance(workers, int) else None
            check_room(cpus=self._cpus, gpus=self._gpus)
            # On a GPU one thread draws while the other waits for the network.
            self._hired = (
                import_ray()
                .remote(Worker)
                .options(num_cpus=self._cpus, num_gpus=self._gpus, max_concurrency=2 if self._gpus else 1)
            )
            self._crew = Crew(self._start, self._accept, self._room, Metrics())
            self._crew.assemble()
        except BaseException:
            self._disconnect()
            raise

    def genome_confidences(self, genomes: Population) -> Confidences:
        """See `GenomeJudge.genome_confidences`.

        Raises:
            JudgeError: the classifier failed in a worker, or one worker after the other died.
        """
        self.begin(genomes)
        batch = next(batch for batch in self._begun if batch.genomes is genomes)
        self._begun.remove(batch)
        self._crew.finish(batch.work)
        return batch.scores

    def begin(self, genomes: Population) -> None:
        """See `EagerJudge.begin`."""
        if any(batch.genomes is genomes for batch in self._begun):
            return
        encoding, shape = genomes.encoding, genomes.shape

        def ask(actor: Any, first: int, last: int) -> Any:
            return actor.judge.remote(encoding, shape, genomes.take(np.arange(first, last)).arrays())

        work, scores = self._cut(len(genomes), ask)
        self._begun.append(_Batch(genomes, work, scores))
        self._crew.begin(work)

    def forget(self) -> None:
        """See `EagerJudge.forget`."""
        while self._begun:
            self._crew.forget(self._begun.pop().work)

    def confidences(self, images: Images) -> Confidences:
        """See `Judge.confidences`. The images travel to the workers.

        Raises:
            JudgeError: the classifier failed in a worker, or one worker after the other died.
        """
        work, scores = self._cut(len(images), lambda actor, first, last: actor.look.remote(images[first:last]))
        self._crew.begin(work)
        self._crew.finish(work)
        return scores

    def close(self) -> None:
        """Ends the workers, and the cluster if it was started here."""
        self._crew.dismiss()
        self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RayJudge of {self.name!r}: {len(self._crew)} workers ready>"

    def _cut(self, count: int, ask: Any) -> tuple[Work, Confidences]:
        """The work of looking at so many images, and where what comes of it will be."""
        scores = np.empty((count, len(self.class_names)), np.float32)
        assert self._first is not None  # noqa: S101  # the crew has assembled
        piece = piece_of(count, workers=len(self._crew), chunk=self._first.chunk, classes=len(self.class_names))
        starts = [*range(0, count, piece), count]
        ends = starts[1:]

        def take(number: int, result: Confidences) -> None:
            scores[starts[number] : ends[number]] = result

        sizes = np.diff(starts).tolist()
        return Work(sizes, lambda actor, number: ask(actor, starts[number], ends[number]), take), scores

    def _start(self) -> tuple[Any, Any]:
        actor = self._hired.remote(self._cpus)
        return actor, actor.load.remote(self._there)

    def _accept(self, facts: Facts) -> str | None:
        if facts.fingerprint != self._fingerprint:
            return (
                f"The classifier that {facts.machine} loads as {self.name} is not the one that is here; give every machine the "
                "same weights and the same releases of the packages."
            )
        first = self._first = self._first or facts
        if facts.chunk != first.chunk:
            return f"{facts.machine} ({facts.kind}) takes {facts.chunk} images at once, {first.machine} takes {first.chunk}."
        if facts.kind != first.kind:
            log.warning(
                "%s has %s, and %s %s: the last bits of a confidence may depend on who calculates it.",
                first.machine,
                first.kind,
                facts.machine,
                facts.kind,
            )
        return None

    def _room(self) -> int:
        there = room(cpus=self._cpus, gpus=self._gpus)
        return there if self._most is None else min(self._most, there)

    def _disconnect(self) -> None:
        if self._connected:
            import_ray().shutdown()


def piece_of(count: int, *, workers: int, chunk: int, classes: int) -> int:
    """Images of a piece of work out of so many: a multiple of the chunk, so that no image gets other confidences for it."""
    even = -(-count // (_PIECES_EACH * max(1, workers) * chunk))
    return max(1, min(even, _LARGEST_PIECE // (classes * chunk))) * chunk


def _config_of(model: Classifier | ModelConfig | str) -> ModelConfig:
    if isinstance(model, ModelConfig):
        return model
    if isinstance(model, str):
        return ModelConfig(name=model)
    if model.source is None:
        raise ConfigError(
            f"{model.name} was made in this program, and workers cannot load it; put what makes it into a function, and name "
            "that: package.module:factory, or ./file.py:factory."
        )
    return ModelConfig.of(model).model_copy(update={"device": "auto"})


def _check(workers: int | str, gpus: float, cpus: int | None) -> None:
    if isinstance(workers, int) and not 1 <= workers <= _MOST_WORKERS:
        raise ConfigError(f"workers must be from 1 to {_MOST_WORKERS:,}, auto or HOST:PORT, not {workers}.")
    if cpus is not None and not 1 <= cpus <= _MOST_WORKERS:
        raise ConfigError(f"per_worker_cpus must be from 1 to {_MOST_WORKERS:,}, not {cpus}.")
    if not 0 <= gpus <= _MOST_WORKERS or (gpus > 1 and gpus % 1):
        raise ConfigError(f"per_worker_gpus must be 0, a fraction of one, or a whole number, not {gpus:g}.")
