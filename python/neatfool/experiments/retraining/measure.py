"""Retraining against fooling images, again and again (Nguyen, Yosinski & Clune 2015, section 3.6)."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neatfool.classifiers import FOOLING_CLASS, Classifier
from neatfool.classifiers.added_class import add_class
from neatfool.data import batches, read_images, split_images
from neatfool.encodings import Cppn, Direct
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.experiments.retraining.fooling import Evolved, best_of, evolve_images, moments
from neatfool.experiments.retraining.hardening import FrozenFeatures, TrainingSet, harden, reinitialised, soft_targets
from neatfool.experiments.retraining.state import (
    Judged,
    read_judged,
    read_network,
    read_train,
    rounds_done,
    weights_name,
    write_round,
)
from neatfool.runs import RunFolder
from neatfool.search import ModelConfig
from neatfool.search.run import SMALL_CLASSIFIER, Metrics, describe_classifier, image_shape, load_model, model_of
from neatfool.training.loop import TrainingSettings

_MOST_MOMENTS = 10
_FRESH_RATE, _CONTINUED_RATE = 0.05, 0.01
_RATE_SAMPLE = 64
_FRESH_SHOWN, _CONTINUED_SHOWN = 180_000, 60_000

# What a stream of random numbers is for.
_SPLIT, _JUDGE, _COLLECT, _SHARE, _WEIGHTS, _TRAIN, _RATE = range(7)


class RetrainSettings(BaseModel):
    """How every round goes.

    Attributes:
        encoding: what fooling images are made of; "both" evolves each kind.
        images_per_class: fooling images to collect for each class, in each round and encoding; None is 100 for up to
            100 classes, else 1. An evolution gives ten a class, the elites of ten moments, so 100 take ten evolutions.
            An elite of several moments or classes counts once, so that there are somewhat fewer.
        generations: generations of every evolution.
        batch: children of each generation; None is 200 for up to 100 classes, else 400.
        share: largest share of fooling images in the training set; beyond it some are left out at random.
        fresh: train every network from new weights, not on from its predecessor's.
        keep: train on the fooling images of earlier rounds too, not only on the newest.
        epochs: passes over the training set; None is as many as show 60,000 images, with fresh weights 180,000.
        learning_rate: of the first step; None is 0.05 for fresh weights, 0.01 for continued ones, and what suits the
            features where these are frozen (`FrozenFeatures.steady_rate`).
        training_batch: images of each training step.
        freeze_features: train the last layer alone.
        distill: weight of the first network's own answers to the real images, 0 to 1; see `harden`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoding: Literal["cppn", "direct", "both"] = "cppn"
    images_per_class: int | None = Field(default=None, ge=1, le=100_000)
    generations: int = Field(default=200, ge=1, le=1_000_000)
    batch: int | None = Field(default=None, ge=1, le=1_000_000)
    share: float = Field(default=0.5, gt=0, lt=1)
    fresh: bool = False
    keep: bool = True
    epochs: int | None = Field(default=None, ge=1, le=10_000)
    learning_rate: float | None = Field(default=None, gt=0)
    training_batch: int = Field(default=100, ge=1, le=100_000)
    freeze_features: bool = False
    distill: float = Field(default=0, ge=0, le=1)


class RetrainConfig(BaseModel):
    """Everything that determines the result: the content of a run's `config.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelConfig
    data: str
    rounds: int = Field(ge=1, le=10_000)
    seed: int = Field(default=0, ge=0, lt=2**64)
    retrain: RetrainSettings = RetrainSettings()


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round came to. Round 0 measures the network as it was given; round k makes network k + 1 and measures it.

    Attributes:
        round: its number.
        test_error: share of held-out real images that the network gets wrong, those it calls fooling images included.
        false_alarms: share of held-out real images that it calls fooling images.
        caught: share of images evolved against its predecessor with other seeds, and never trained on, that it calls
            fooling images; None in round 0. Pictures that the training set happens to hold too are left out.
        caught_all: the same for the held-out images of all earlier rounds.
        median_confidence: in the images newly evolved against it, one for each real class (and encoding).
        mean_confidence, min_confidence: in the same images.
        classes_over_99, classes_over_9999: number of these images with a confidence of at least .99 and .9999.
        evaluations_to_99: images judged until their median reached 99 %; None if it never did. With both encodings, the
            fewer.
        encodings: for each encoding median_confidence, evaluations_to_99 and caught.
        fooling_images: fooling images in its training set.
        training_share: their share of it.
        loss: mean training loss of the last epoch; None in round 0.
        evaluations: images judged by evolutions since the start.
        seconds: time the round took.
    """

    round: int
    test_error: float
    false_alarms: float
    caught: float | None
    caught_all: float | None
    median_confidence: float
    mean_confidence: float
    min_confidence: float
    classes_over_99: int
    classes_over_9999: int
    evaluations_to_99: int | None
    encodings: dict[str, dict[str, float | int | None]]
    fooling_images: int
    training_share: float
    loss: float | None
    evaluations: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RetrainResult:
    """What retraining came to.

    Attributes:
        classifier: the last network, with a class more than the first; the first itself if no round was completed.
        rounds: one entry a completed round, round 0 first.
        images: newly evolved against the last network, the better of the encodings for each real class; uint8
            (classes, channels, height, width); without classes if not even round 0 was completed.
        confidence: the last network's in them, float32 (classes,).
        training_images, judging_images: numbers of real images.
        config: all settings.
        folder: the run folder, or None.
    """

    classifier: Classifier
    rounds: tuple[Round, ...]
    images: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    training_images: int
    judging_images: int
    config: RetrainConfig
    folder: RunFolder | None

    @property
    def complete(self) -> bool:
        """Whether all rounds were done."""
        return len(self.rounds) == self.config.rounds + 1

    def summary(self) -> dict[str, Any]:
        """The result in one JSON-ready dictionary, as `neatfool retrain --json` prints it."""
        done = len(self.rounds) - 1
        weights = self.folder.file(weights_name(done)) if self.folder and done > 0 else None
        return {
            "run": str(self.folder.path) if self.folder else None,
            "model": self.classifier.name,
            "encoding": self.config.retrain.encoding,
            "seed": self.config.seed,
            "training_images": self.training_images,
            "judging_images": self.judging_images,
            "weights": str(weights) if weights else None,
            "evaluations": self.rounds[-1].evaluations if self.rounds else 0,
            "seconds": round(sum(one.seconds for one in self.rounds), 3),
            "rounds": [asdict(one) for one in self.rounds],
        }


def retrain(
    classifier: Classifier,
    data: str | Path,
    *,
    rounds: int,
    settings: RetrainSettings | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    on_progress: Callable[[str], None] | None = None,
    on_round: Callable[[Round], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> RetrainResult:
    """Evolves fooling images, trains the network to call them what they are, and evolves again, for some rounds.

    In round k images are evolved against network k for the n real classes, never for the fooling class. They become
    class n + 1, and network k + 1 is trained on them and the real images. It is then judged: by real images it was not
    trained on, by images evolved against network k with other seeds, and by a new evolution against itself, whose
    confidences are shares among n + 1 classes.

    Args:
        classifier: the first network, which is left as it is.
        data: MNIST files; or a folder that holds train and val; or one with a folder a class, which is cut in halves to
            train on and to judge by.
        rounds: number of retrainings.
        settings: how every round goes.
        seed: the same seed gives the same result on the same machine.
        out: run folder to write; None keeps everything in memory.
        on_progress: told in a few words what begins.
        on_round: called with every completed round.
        stop: asked often; True ends at once, with the complete rounds as the result.

    Raises:
        ConfigError: a setting is out of range or contradicts another, or training diverged.
        DataError: the data set cannot be read or does not fit.
        ModelError: the network cannot be given another class.
        RunError: the run folder cannot be written.
    """
    model = model_of(classifier).model_copy(update={"device": str(classifier.device)})
    try:
        config = RetrainConfig(
            model=model, data=str(Path(data).resolve()), rounds=rounds, seed=seed, retrain=settings or RetrainSettings()
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{first['loc'][-1]} cannot be {first['input']!r}: {first['msg'].lower()}.") from error
    experiment = _Experiment(classifier, config, on_progress=on_progress, on_round=on_round, stop=stop)
    with ExitStack() as stack:
        if out is not None:
            manifest = describe_classifier(classifier, command="retrain")
            table = {**config.model_dump(), "encoding": config.retrain.encoding}
            experiment.folder = RunFolder.create(Path(out), config=table, manifest=manifest)
            stack.enter_context(experiment.folder.lock())
        return experiment.run()


def resume_retrain(
    path: Path | str,
    *,
    classifier: Classifier | None = None,
    on_progress: Callable[[str], None] | None = None,
    on_round: Callable[[Round], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> RetrainResult:
    """Does the rounds that an interrupted run has left, with the result it would have had without the interruption.

    Args:
        path: the run folder.
        classifier: the first network, where `load_classifier` cannot find it by name.
        on_progress: told in a few words what begins.
        on_round: called with every completed round.
        stop: asked often; True ends at once, with the complete rounds as the result.

    Raises:
        DataError: the data set cannot be read or does not fit.
        ModelError: the first network or a round's weights cannot be loaded.
        RunError: the folder is not a run of `retrain`, is damaged, or belongs to another classifier.
    """
    folder = RunFolder.open(Path(path))
    config = read_retrain_config(folder)
    if classifier is None:
        classifier = load_model(config.model)
    if classifier.weights_hash() != folder.manifest.weights_hash:
        raise RunError(
            f"The run {folder.path} began with other weights of {folder.manifest.model}; "
            f"put back the weights it was started with ({config.model.weights or 'built in'})."
        )
    with folder.lock():
        experiment = _Experiment(classifier, config, on_progress=on_progress, on_round=on_round, stop=stop)
        experiment.folder = folder
        experiment.restore(folder)
        return experiment.run()


def read_retrain_config(folder: RunFolder) -> RetrainConfig:
    """The settings of a run.

    Raises:
        RunError: the folder was not made by `retrain`, or its settings are damaged.
    """
    if folder.manifest.command != "retrain":
        raise RunError(f"{folder.path} was made by `neatfool {folder.manifest.command}`, not by `neatfool retrain`.")
    try:
        return RetrainConfig.model_validate({key: value for key, value in folder.config.items() if key != "encoding"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{folder.path / 'config.toml'}: {where}: {first['msg'].lower()}.") from error


class _StopRequestedError(Exception):
    """Ends the round in progress, of which nothing is kept."""


class _Experiment:
    """The state between two rounds, and how one leads to the next.

    Attributes:
        folder: where rounds are written, or None.
    """

    def __init__(
        self,
        first: Classifier,
        config: RetrainConfig,
        *,
        on_progress: Callable[[str], None] | None,
        on_round: Callable[[Round], None] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        settings = config.retrain
        if first.outputs != "logits":
            raise ModelError(f"{first.name} returns probabilities; remove its softmax to train it on its logits.")
        if first.crops != 1:
            raise ModelError(f"{first.name} looks at ten crops of an image; load it with one crop to retrain it.")
        if first.class_names[-1] == FOOLING_CLASS:
            raise ModelError(f"{first.name} has a class for fooling images already; begin with weights that lack it.")
        if settings.fresh and settings.freeze_features:
            raise ConfigError("Fresh weights leave no features worth freezing; leave out --fresh or --freeze-features.")
        self.folder: RunFolder | None = None
        self._first = self._network = first
        self._config, self._settings = config, settings
        self._rounds: list[Round] = []
        self._judged: list[Judged] = []
        self._train: list[NDArray[np.uint8]] = []
        self._say, self._on_round, self._asked_to_stop = on_progress, on_round, stop
        self._encodings: list[Cppn | Direct] = []
        if settings.encoding != "direct":
            self._encodings.append(Cppn())
        if settings.encoding != "cppn":
            self._encodings.append(Direct())
        images = settings.images_per_class or (100 if first.n_classes <= SMALL_CLASSIFIER else 1)
        self._evolutions = math.ceil(images / min(_MOST_MOMENTS, settings.generations + 1))
        self._moments = moments(settings.generations, math.ceil(images / self._evolutions))
        self._real, self._test = split_images(config.data, first, seed=self._random(_SPLIT))
        self._soft = None
        if settings.distill:
            self._tell("asking the first network about the real images")
            self._soft = soft_targets(first, self._real)

    def run(self) -> RetrainResult:
        """Does the rounds that are left, unless told to stop."""
        try:
            while len(self._rounds) <= self._config.rounds:
                self._do_round()
                if self._on_round:
                    self._on_round(self._rounds[-1])
        except _StopRequestedError:
            pass
        shape = image_shape(self._first)
        images, confidence = np.empty((0, *shape), np.uint8), np.empty(0, np.float32)
        if self._judged:
            images, confidence = best_of(list(self._judged[-1].values()))
        return RetrainResult(
            classifier=self._network,
            rounds=tuple(self._rounds),
            images=images,
            confidence=confidence,
            training_images=len(self._real),
            judging_images=len(self._test),
            config=self._config,
            folder=self.folder,
        )

    def restore(self, folder: RunFolder) -> None:
        """Takes up the complete rounds in a folder."""
        done = rounds_done(folder)
        folder.truncate_metrics(done - 1)
        rows = folder.metrics()
        source = folder.path / "metrics.jsonl"
        if len(rows) != done:
            raise RunError(f"{source} has {len(rows)} lines for {done} rounds; the run folder is damaged.")
        for number, row in enumerate(rows):
            try:
                self._rounds.append(Round(**{key: value for key, value in row.items() if key != "generation"}))
            except TypeError as error:
                raise RunError(f"{source}, line {number + 1}, does not describe a round of retraining.") from error
            self._judged.append(read_judged(folder, number))
            if number:
                self._train.append(read_train(folder, number))
        if done:
            self._network = read_network(folder, done - 1, self._first)

    def _do_round(self) -> None:
        begin = time.perf_counter()
        number = len(self._rounds)
        self._check_stop()
        network, newest = self._network, None
        evaluations = self._rounds[-1].evaluations if number else 0
        trained: dict[str, Any] = {"fooling_images": 0, "training_share": 0.0, "loss": None}
        if number:
            newest, spent = self._collect()
            evaluations += spent
            network, trained = self._train_network(newest)
        real = self._judge_by_real_images(network)
        judged, histories = self._evolve_to_judge(network)
        row = Round(
            round=number,
            **real,
            **self._judge_by_evolved_images(network, newest, judged, histories),
            **trained,
            evaluations=evaluations + sum(int(history[-1]["evaluations"]) for history in histories.values()),
            seconds=round(time.perf_counter() - begin, 3),
        )
        if self.folder:
            write_round(
                self.folder,
                number,
                row={"generation": number, **asdict(row)},
                network=network,
                train=newest,
                judged=judged,
            )
        self._network = network
        self._rounds.append(row)
        self._judged.append(judged)
        if newest is not None:
            self._train.append(newest)

    def _collect(self) -> tuple[NDArray[np.uint8], int]:
        """Fooling images evolved against the present network to train the next on, and the number of evaluations."""
        images: list[NDArray[np.uint8]] = []
        evaluations = 0
        total = self._evolutions * len(self._encodings)
        for which, encoding in enumerate(self._encodings):
            for run in range(self._evolutions):
                self._tell(f"evolving for the training set, {len(images) + 1} of {total}")
                evolved, history = self._evolve(self._network, encoding, self._random(_COLLECT, which, run))
                images.append(evolved.images)
                evaluations += int(history[-1]["evaluations"])
        return np.concatenate(images), evaluations

    def _evolve_to_judge(self, network: Classifier) -> tuple[Judged, dict[str, list[Metrics]]]:
        judged: dict[str, Evolved] = {}
        histories: dict[str, list[Metrics]] = {}
        for which, encoding in enumerate(self._encodings):
            self._tell(f"evolving {encoding.name} images to judge the network")
            evolved, history = self._evolve(network, encoding, self._random(_JUDGE, which))
            judged[encoding.name], histories[encoding.name] = evolved, history
        return judged, histories

    def _evolve(self, network: Classifier, encoding: Cppn | Direct, seed: int) -> tuple[Evolved, list[Metrics]]:
        result = evolve_images(
            network,
            encoding,
            classes=self._first.n_classes,
            at=self._moments,
            batch=self._settings.batch,
            seed=seed,
            stop=self._asked_to_stop,
        )
        self._check_stop()
        return result

    def _train_network(self, newest: NDArray[np.uint8]) -> tuple[Classifier, dict[str, Any]]:
        settings = self._settings
        fooling = np.concatenate([*self._train, newest]) if settings.keep else newest
        most = max(1, int(settings.share / (1 - settings.share) * len(self._real)))
        if len(fooling) > most:
            chosen = np.random.default_rng(self._random(_SHARE)).permutation(len(fooling))[:most]
            fooling = fooling[np.sort(chosen)]
        network, weights_seed = self._network, self._random(_WEIGHTS)
        if network is self._first:
            network = add_class(network, FOOLING_CLASS, seed=weights_seed)
        if settings.fresh:
            network = reinitialised(network, seed=weights_seed)
        else:
            network = network.with_module(copy.deepcopy(network.module), network.class_names)
        kinds = f"{len(self._real):,} real and {len(fooling):,} fooling images"
        self._tell(f"training on {kinds}")
        shown = _FRESH_SHOWN if settings.fresh else _CONTINUED_SHOWN
        epochs = settings.epochs or math.ceil(shown / (len(self._real) + len(fooling)))
        loss = harden(
            network,
            TrainingSet(self._real, fooling, self._first.n_classes),
            settings=TrainingSettings(
                epochs=epochs,
                batch=settings.training_batch,
                learning_rate=settings.learning_rate or self._usual_rate(network),
                seed=self._random(_TRAIN),
            ),
            freeze_features=settings.freeze_features,
            distill=settings.distill,
            soft=self._soft,
            on_epoch=lambda epoch, mean: self._tell(f"trained {epoch} of {epochs} epochs on {kinds}"),
            before_batch=self._check_stop,
        )
        share = len(fooling) / (len(fooling) + len(self._real))
        return network, {"fooling_images": len(fooling), "training_share": share, "loss": loss}

    def _usual_rate(self, network: Classifier) -> float:
        if not self._settings.freeze_features:
            return _FRESH_RATE if self._settings.fresh else _CONTINUED_RATE
        sample = np.random.default_rng(self._random(_RATE)).permutation(len(self._real))[:_RATE_SAMPLE]
        return FrozenFeatures(network).steady_rate(torch.from_numpy(read_images(self._real, np.sort(sample))))

    def _judge_by_real_images(self, network: Classifier) -> dict[str, Any]:
        wrong = alarms = 0
        for images, labels in batches(self._test, max(network.chunk, 64 // network.chunk * network.chunk)):
            self._check_stop()
            answers = network.confidences(images).argmax(1)
            wrong += int((answers != labels).sum())
            alarms += int((answers == self._first.n_classes).sum())
        return {"test_error": wrong / len(self._test), "false_alarms": alarms / len(self._test)}

    def _judge_by_evolved_images(
        self,
        network: Classifier,
        newest: NDArray[np.uint8] | None,
        judged: Judged,
        histories: Mapping[str, list[Metrics]],
    ) -> dict[str, Any]:
        # Small CPPNs of different seeds sometimes draw the very same picture.
        trained_on = {image.tobytes() for part in self._train for image in part}
        if newest is not None:
            trained_on.update(image.tobytes() for image in newest)
        held_out = {
            name: [self._caught(network, earlier[name].images, trained_on) for earlier in self._judged]
            for name in judged
        }
        confidence = np.concatenate([evolved.elite_confidence for evolved in judged.values()]).astype(np.float64)
        to_99 = {
            name: next((int(row["evaluations"]) for row in history if row["median_confidence"] >= 0.99), None)
            for name, history in histories.items()
        }
        return {
            "caught": _share([verdicts[-1] for verdicts in held_out.values() if verdicts]),
            "caught_all": _share([verdict for verdicts in held_out.values() for verdict in verdicts]),
            "median_confidence": float(np.median(confidence)),
            "mean_confidence": float(confidence.mean()),
            "min_confidence": float(confidence.min()),
            "classes_over_99": int((confidence >= 0.99).sum()),
            "classes_over_9999": int((confidence >= 0.9999).sum()),
            "evaluations_to_99": min((count for count in to_99.values() if count is not None), default=None),
            "encodings": {
                name: {
                    "median_confidence": float(np.median(evolved.elite_confidence)),
                    "evaluations_to_99": to_99[name],
                    "caught": _share(held_out[name][-1:]),
                }
                for name, evolved in judged.items()
            },
        }

    def _caught(self, network: Classifier, images: NDArray[np.uint8], trained_on: set[bytes]) -> NDArray[np.bool_]:
        """For each image that was not trained on, whether the network takes it for a fooling image."""
        unseen = np.array([image.tobytes() not in trained_on for image in images])
        caught: NDArray[np.bool_] = np.equal(network.confidences(images[unseen]).argmax(1), self._first.n_classes)
        return caught

    def _random(self, *purpose: int) -> int:
        """A seed of its own for every round and purpose."""
        sequence = np.random.SeedSequence((self._config.seed, len(self._rounds), *purpose))
        return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))

    def _tell(self, text: str) -> None:
        if self._say:
            self._say(f"round {len(self._rounds)} of {self._config.rounds}: {text}")

    def _check_stop(self) -> None:
        if self._asked_to_stop and self._asked_to_stop():
            raise _StopRequestedError


def _share(verdicts: Sequence[NDArray[np.bool_]]) -> float | None:
    """The share of True among all; None if there is nothing."""
    count = sum(len(verdict) for verdict in verdicts)
    return sum(int(verdict.sum()) for verdict in verdicts) / count if count else None
