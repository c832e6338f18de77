"""Screening: everybody is judged fast and roughly, and those that may become elites again, in float32."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier, EightBits, in_eight_bits, quantise
from neatfool.encodings import Population
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.runs import RunFolder, expect
from neatfool.runs.checkpoint import load, save
from neatfool.search.archive import Archive
from neatfool.search.evaluate import Evaluator
from neatfool.search.judge import Confidences, Images, Judge, stands_for
from neatfool.search.search import Search

RoughPrecision = Literal["int8", "bfloat16"]
"""What everybody is judged in first."""

MARGINS: dict[RoughPrecision, float] = {"bfloat16": 0.5, "int8": -0.25}
"""Log odds that a rough confidence may lack. bfloat16 is rarely off by more, so that the run is that of float32; eight bits are
off by too much for that, and who they say is ahead by little is not worth a second look."""

FIRST_IMAGES = 100
"""Images of the random start that a network is quantised from."""

_LEAST, _MOST = 1e-30, 1 - 2**-24
"""Confidences are taken to be within, so that their log odds are finite."""

log = logging.getLogger(__name__)


class Screen:
    """Judges genomes roughly, and those that may become elites exactly too.

    Args:
        rough: asks the fast judge.
        exact: asks the one that is fooled.
        margin: see `contenders`.
    """

    def __init__(self, rough: Evaluator, exact: Evaluator, *, margin: float) -> None:
        self._rough = rough
        self._exact = exact
        self._margin = margin

    def __call__(self, genomes: Population, archive: Archive) -> tuple[Confidences, NDArray[np.int64]]:
        """Scores every genome on every class.

        Returns:
            Confidences, shape (N, classes), float32, and the indices of those genomes whose confidences are exact.

        Raises:
            JudgeError: a judge failed.
        """
        scores = self._rough(genomes)
        near = contenders(scores[:, archive.classes], archive.confidence, margin=self._margin)
        if len(near):
            scores[near] = self._exact(genomes.take(near))
        return scores, near


def contenders(rough: Confidences, elites: NDArray[np.float32], *, margin: float) -> NDArray[np.int64]:
    """Who is worth a second look: who is near, or ahead of, some cell's elite, and near the best child for that cell.

    Args:
        rough: confidence of every child for the class of every cell, shape (N, cells).
        elites: confidence of every elite, shape (cells,).
        margin: in log odds, ln(p / (1 - p)), that may be lacking to either; below 0 who is ahead of the elite by less is not
            looked at, nor is anybody but the best child.

    Returns:
        Indices of children, rising.
    """
    odds = _log_odds(rough)
    wanted = np.maximum(odds.max(axis=0) - np.float32(max(margin, 0)), _log_odds(elites) - np.float32(margin))
    return np.flatnonzero((odds >= wanted).any(axis=1))


def _log_odds(confidences: NDArray[np.float32]) -> NDArray[np.float32]:
    bounded = np.clip(confidences, np.float32(_LEAST), np.float32(_MOST))
    return np.log(bounded) - np.log1p(-bounded)


@dataclass(frozen=True)
class Rough:
    """A classifier in a fast precision.

    Attributes:
        classifier: it.
        fingerprint: of the classifier in float32.
        network: what `keep` keeps.
    """

    classifier: Classifier
    fingerprint: str
    network: EightBits | None = None

    @classmethod
    def of(cls, judge: Judge, precision: RoughPrecision, search: Search, *, folder: RunFolder | None = None) -> Rough:
        """The rough judge of a run.

        Args:
            judge: what the run fools.
            precision: what to calculate in.
            search: the run's search; its first images are what a network is quantised from.
            folder: where an earlier `keep` may have kept it.

        Raises:
            ConfigError: the judge cannot be had in that precision.
            ModelError: a package for that is missing, or cannot take this network.
        """
        classifier = _in_float32(judge, precision)
        fingerprint = classifier.fingerprint()
        first = _first_images(search)
        if precision == "bfloat16":
            rough = classifier.with_module(classifier.module, classifier.class_names)
            made = cls(rough.run_with(backend=classifier.backend, precision="bfloat16"), fingerprint)
        else:
            network = (folder and _kept(folder, fingerprint)) or quantise(classifier, first)
            made = cls(in_eight_bits(classifier, network), fingerprint, network)
        one = first[:1]
        if np.array_equal(made.classifier.confidences(one), classifier.confidences(one)):
            raise ModelError(
                f"{classifier.name} calculates in float32 whatever precision it is asked for, so that --screen {precision} "
                "would save nothing; leave it out."
            )
        return made

    def keep(self, folder: RunFolder) -> None:
        """Writes the network into a run folder, unless it is there.

        Raises:
            RunError: the file cannot be written.
        """
        if self.network is None or _kept(folder, self.fingerprint) == self.network:
            return
        arrays = {name: np.frombuffer(value, np.uint8) for name, value in self.network._asdict().items()}
        save(folder.file(_place(self.fingerprint)), arrays, {"sha256": _digest(self.network)})


def _in_float32(judge: Judge, precision: RoughPrecision) -> Classifier:
    if not isinstance(judge, Classifier):
        where = (
            "is asked in worker processes; leave out --workers"
            if stands_for(judge) is not judge
            else ("is a judge of your own; leave it out")
        )
        raise ConfigError(f"--screen {precision} needs a classifier in this process, but {judge.name} {where}.")
    if judge.precision != "float32":
        raise ConfigError(
            f"--screen judges again in float32, but {judge.name} calculates in {judge.precision}; leave out --precision "
            f"{judge.precision}."
        )
    if precision == "int8" and judge.device.type != "cpu":
        raise ConfigError(
            f"--screen int8 is OpenVINO's on the CPU, but {judge.name} is on {judge.device}; take --screen bfloat16 or "
            "--device cpu."
        )
    return judge


def _first_images(search: Search) -> Images:
    genomes = search.first_genomes()
    some = genomes.take(np.arange(min(len(genomes), FIRST_IMAGES)))
    images = np.empty((len(some), *search.image_shape), np.uint8)
    some.render(images)
    return images


def _kept(folder: RunFolder, fingerprint: str) -> EightBits | None:
    """The network that was kept in a folder; None if there is none, or no whole one."""
    path = folder.file(_place(fingerprint))
    if not path.exists():
        return None
    try:
        arrays, metadata = load(path)
        network = EightBits(
            *(expect(arrays, name, np.uint8, ndim=1, source=path).tobytes() for name in EightBits._fields)
        )
        if metadata.get("sha256") != _digest(network):
            raise RunError(f"{path} is not what was written.")
    except RunError as error:
        log.warning("%s The network is quantised again from the run's first images.", error)
        return None
    return network


def _place(fingerprint: str) -> str:
    return f"screen/{fingerprint}.safetensors"


def _digest(network: EightBits) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in network)).hexdigest()
