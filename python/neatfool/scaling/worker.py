"""What a worker process does. Nothing heavy is imported before it knows how many threads it has."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Facts:
    """What a worker's classifier is, as far as the confidences depend on it.

    Attributes:
        machine: where it is.
        fingerprint: see `Classifier.fingerprint`.
        chunk: images in one pass.
        kind: device, release of torch, and, on a CPU, number of threads; the last bits may depend on them.
    """

    machine: str
    fingerprint: str
    chunk: int
    kind: str


class Worker:
    """A classifier in a process of its own, which draws what it looks at."""

    def __init__(self, threads: int) -> None:
        # As on the command line; see `neatfool.cli.main`.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        import torch

        from neatfool import set_threads

        torch.set_num_threads(threads)
        set_threads(threads)
        self._threads = threads
        self._classifier: Any = None
        self._own = threading.local()

    def load(self, model: Mapping[str, Any]) -> Facts:
        """Loads the classifier, and says what it is."""
        import torch

        from neatfool.models import ModelConfig

        classifier = ModelConfig(**model).load()
        on_cpu = classifier.device.type == "cpu"
        device = f"CPU, {self._threads} threads" if on_cpu else torch.cuda.get_device_name(classifier.device)
        self._classifier = classifier
        kind = f"{device}, torch {torch.__version__}"
        return Facts(socket.gethostname(), classifier.fingerprint(), classifier.chunk, kind)

    def judge(
        self, encoding: Any, shape: tuple[int, int, int], arrays: Mapping[str, NDArray[Any]]
    ) -> NDArray[np.float32]:
        """The confidences of the images that some genomes draw."""
        scores: NDArray[np.float32] = self._evaluator()(encoding.restore(arrays, shape=shape, seed=0))
        return scores

    def look(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The confidences of images."""
        scores: NDArray[np.float32] = self._classifier.confidences(images)
        return scores

    def _evaluator(self) -> Any:
        """One for each thread: where there are two, one draws while the other waits for the network."""
        from neatfool.search import Evaluator, Profile

        if not hasattr(self._own, "evaluator"):
            self._own.evaluator = Evaluator(self._classifier, Profile())
        return self._own.evaluator
