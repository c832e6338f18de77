"""What a worker process does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from neatfool import _core
from neatfool.classifiers import Classifier
from neatfool.encodings import Encoding, Shape
from neatfool.models import ModelConfig
from neatfool.search import Evaluator, Profile
from neatfool.search.judge import Confidences, Images


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
        torch.set_num_threads(threads)
        _core.set_threads(threads)
        self._threads = threads
        self._own = threading.local()

    def load(self, model: Mapping[str, Any]) -> Facts:
        """Loads the classifier, and says what it is."""
        classifier: Classifier = ModelConfig(**model).load()
        on_cpu = classifier.device.type == "cpu"
        device = f"CPU, {self._threads} threads" if on_cpu else torch.cuda.get_device_name(classifier.device)
        self._classifier = classifier
        kind = f"{device}, torch {torch.__version__}"
        return Facts(socket.gethostname(), classifier.fingerprint(), classifier.chunk, kind)

    def judge(self, encoding: Encoding, shape: Shape, arrays: Mapping[str, NDArray[Any]]) -> Confidences:
        """The confidences of the images that some genomes draw."""
        return self._evaluator()(encoding.restore(arrays, shape=shape, seed=0))

    def look(self, images: Images) -> Confidences:
        """The confidences of images."""
        return self._classifier.confidences(images)

    def _evaluator(self) -> Evaluator:
        """One for each thread: where there are two, one draws while the other waits for the network."""
        if not hasattr(self._own, "evaluator"):
            self._own.evaluator = Evaluator(self._classifier, Profile())
        found: Evaluator = self._own.evaluator
        return found
