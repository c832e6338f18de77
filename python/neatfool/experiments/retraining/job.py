"""Retraining, round by round."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neatfool.classifiers import FOOLING_CLASS, Classifier
from neatfool.classifiers.added_class import add_class
from neatfool.data import LabelledImages, Views, batches, read_images, split_images
from neatfool.errors import ModelError
from neatfool.experiments.retraining.estimate import Amounts, Course, measure_pace, plan_round
from neatfool.experiments.retraining.fooling import Evolved, best_of, evolve_images, moments, rejudged
from neatfool.experiments.retraining.hardening import FrozenFeatures, TrainingSet, harden, reinitialised, soft_targets
from neatfool.experiments.retraining.result import RetrainResult
from neatfool.experiments.retraining.rounds import Round, read_rounds
from neatfool.experiments.retraining.settings import RetrainConfig, RetrainSettings
from neatfool.experiments.retraining.state import (
    Judged,
    read_judged,
    read_network,
    read_train,
    rounds_done,
    write_round,
)
from neatfool.runs import RunFolder, StopRequestedError, elite_arrays
from neatfool.search import PRESETS, SMALL_CLASSIFIER, EvolveConfig, build_config
from neatfool.shared.progress import OnProgress, Progress, Snapshot, Stop, never, silent
from neatfool.training import TrainingSettings

_FRESH_RATE, _CONTINUED_RATE = 0.05, 0.01
_RATE_SAMPLE = 64
_FRESH_SHOWN, _CONTINUED_SHOWN = 180_000, 60_000

# What a stream of random numbers is for.
_SPLIT, _JUDGE, _COLLECT, _SHARE, _WEIGHTS, _TRAIN, _RATE, _VIEWS = range(8)

Metrics = dict[str, Any]


class Retraining:
    """A retraining between two rounds; a `Job`."""

    def __init__(self, first: Classifier, config: RetrainConfig) -> None:
        settings = config.retrain
        if first.outputs != "logits":
            raise ModelError(
                f"{first.name} returns {first.outputs}; let it return a logit for each class to retrain it."
            )
        if first.crops != 1:
            raise ModelError(f"{first.name} looks at ten crops of an image; load it with one crop to retrain it.")
        if first.class_names[-1] == FOOLING_CLASS:
            raise ModelError(f"{first.name} has a class for fooling images already; begin with weights that lack it.")
        # Refused here, before anything is written, if there is no layer to widen.
        add_class(first, FOOLING_CLASS, seed=0)
        self.folder: RunFolder | None = None
        self.seconds = 0.0
        self._first = self._network = first
        self._config, self._settings = config, settings
        self._rounds: list[Round] = []
        self._judged: list[Judged] = []
        self._train: list[NDArray[np.uint8]] = []
        self._say: OnProgress = silent
        self._asked_to_stop: Stop = never
        self._searches = _searches(settings)
        images = settings.images_per_class or (100 if first.n_classes <= SMALL_CLASSIFIER else 1)
        self._evolutions = math.ceil(images / min(settings.moments, settings.generations + 1))
        self._moments = moments(settings.generations, math.ceil(images / self._evolutions))
        self._real, self._test = split_images(config.data, first, seed=self._random(_SPLIT))
        self._shown: LabelledImages = self._real
        if settings.views > 1:
            self._shown = Views(self._real, settings.views, seed=self._random(_VIEWS))
        self._soft: torch.Tensor | None = None
        self._course: Course | None = None
        self._part, self._done_of_part, self._task = "", 0.0, "retraining"

    @property
    def done(self) -> bool:
        """See `Job.done`."""
        return len(self._rounds) > self._config.rounds

    def result(self) -> RetrainResult:
        """What the complete rounds came to."""
        images, confidence = np.empty((0, *self._first.image_shape), np.uint8), np.empty(0, np.float32)
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
        self.folder = folder
        done = rounds_done(folder)
        self._rounds = read_rounds(folder)
        folder.truncate_metrics(done - 1)
        for number in range(done):
            self._judged.append(read_judged(folder, number))
            if number:
                self._train.append(read_train(folder, number))
        if done:
            self._network = read_network(folder, done - 1, self._first)

    def step(self, progress: OnProgress, stop: Stop) -> dict[str, Any]:
        """Does a round; see `Job.step`."""
        self._say, self._asked_to_stop = progress, stop
        begin = time.perf_counter()
        number = len(self._rounds)
        self._check_stop()
        if self._course is None:
            self._estimate()
        if self._settings.distill and self._soft is None:
            self._begin("train", "asking the first network about the real images")
            self._soft = soft_targets(self._first, self._shown)
        network, newest = self._network, None
        evaluations = self._rounds[-1].evaluations if number else 0
        trained: dict[str, Any] = {"fooling_images": 0, "training_share": 0.0, "loss": None}
        if number:
            newest, spent = self._collect()
            evaluations += spent
            network, trained = self._train_network(newest)
        self._begin("test", "showing the network real images")
        real = self._judge_by_real_images(network)
        judged, histories = self._evolve_to_judge(network)
        done = Round(
            round=number,
            **real,
            **self._judge_by_evolved_images(network, newest, judged, histories),
            **trained,
            evaluations=evaluations + sum(int(history[-1]["evaluations"]) for history in histories.values()),
            seconds=round(time.perf_counter() - begin, 3),
        )
        if self.folder:
            write_round(self.folder, number, test_error=done.test_error, network=network, train=newest, judged=judged)
        self._network = network
        self._rounds.append(done)
        self._judged.append(judged)
        if newest is not None:
            self._train.append(newest)
        self._part = ""
        return {"generation": number, **asdict(done)}

    def progress(self) -> Progress:
        """See `Job.progress`."""
        return self._where("retraining", asdict(self._rounds[-1]) if self._rounds else {})

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]] | None:
        """See `Job.checkpoint`; what a round came to is in files of its own."""
        if not self._rounds:
            return None
        pictures, confidence = best_of(list(self._judged[-1].values()))
        cells, number = np.arange(len(confidence)), len(self._rounds) - 1
        arrays = elite_arrays(
            classes=cells,
            confidence=confidence,
            ids=cells,
            generation=np.full_like(cells, number),
            changing=cells,
            pictures=pictures,
        )
        return arrays, {"round": str(number)}

    def write(self) -> None:
        """Writes the pictures of the newest elites into the run folder."""
        if self.folder and self._judged:
            self.folder.write_images(dict(enumerate(best_of(list(self._judged[-1].values()))[0])))

    def _collect(self) -> tuple[NDArray[np.uint8], int]:
        """Fooling images evolved against the present network to train the next on, and the number of evaluations."""
        images: list[NDArray[np.uint8]] = []
        evaluations, attacked = 0, self._attacked(self._network)
        total = self._evolutions * len(self._searches)
        for which, search in enumerate(self._searches):
            for run in range(self._evolutions):
                self._begin(
                    "collect", f"evolving for the training set, {len(images) + 1} of {total}", len(images) / total
                )
                seed = self._random(_COLLECT, which, run)
                evolved, history = self._evolve(attacked, search, seed, 1 / total)
                images.append(evolved.images)
                evaluations += int(history[-1]["evaluations"])
        return np.concatenate(images), evaluations

    def _evolve_to_judge(self, network: Classifier) -> tuple[Judged, dict[str, list[Metrics]]]:
        judged: dict[str, Evolved] = {}
        histories: dict[str, list[Metrics]] = {}
        kinds, attacked = len(self._searches), self._attacked(network)
        for which, search in enumerate(self._searches):
            name = search.encoding.name
            self._begin("judge", f"evolving {name} images to judge the network", which / kinds)
            evolved, histories[name] = self._evolve(attacked, search, self._random(_JUDGE, which), 1 / kinds)
            judged[name] = evolved if attacked is network else rejudged(evolved, network)
        return judged, histories

    def _attacked(self, network: Classifier) -> Classifier:
        """A network as evolutions run it."""
        backend, precision = self._settings.backend, self._settings.precision
        if (backend, precision) == (network.backend, network.precision):
            return network
        return network.with_module(network.module, network.class_names).run_with(backend=backend, precision=precision)

    def _evolve(
        self, network: Classifier, search: EvolveConfig, seed: int, share: float
    ) -> tuple[Evolved, list[Metrics]]:
        """An evolution that is a share of its part of the round."""
        before = self._done_of_part
        result = evolve_images(
            network,
            search,
            classes=self._first.n_classes,
            at=self._moments,
            batch=self._settings.batch,
            seed=seed,
            progress=lambda now: self._advance(before + share * (now.fraction or 0)),
            stop=self._asked_to_stop,
        )
        self._check_stop()
        return result

    def _train_network(self, newest: NDArray[np.uint8]) -> tuple[Classifier, dict[str, Any]]:
        settings = self._settings
        fooling = np.concatenate([*self._train, newest]) if settings.keep else newest
        most = max(1, int(settings.share / (1 - settings.share) * len(self._shown)))
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
        count = len(self._shown) + len(fooling)
        kinds = f"{len(self._shown):,} real and {len(fooling):,} fooling images"
        self._begin("train", f"training on {kinds}")
        epochs = settings.epochs or math.ceil(self._usually_shown() / count)
        size = network.chunk if settings.freeze_features else settings.training_batch
        steps = math.ceil(count / size) * (1 if settings.freeze_features else epochs)
        loss = harden(
            network,
            TrainingSet(self._shown, fooling, self._first.n_classes),
            settings=TrainingSettings(
                epochs=epochs,
                batch=settings.training_batch,
                learning_rate=settings.learning_rate or self._usual_rate(network),
                seed=self._random(_TRAIN),
            ),
            freeze_features=settings.freeze_features,
            distill=settings.distill,
            soft=self._soft,
            before_batch=lambda: self._advance(min(1.0, self._done_of_part + 1 / steps)),
        )
        return network, {"fooling_images": len(fooling), "training_share": len(fooling) / count, "loss": loss}

    def _usually_shown(self) -> int:
        return _FRESH_SHOWN if self._settings.fresh else _CONTINUED_SHOWN

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

    def _estimate(self) -> None:
        """Measures how long everything will take, and says so."""
        settings, kinds = self._settings, len(self._searches)
        self._begin("", "measuring how long it will take")
        pace = measure_pace(
            self._network,
            self._attacked(self._network),
            self._real,
            self._searches,
            batch=settings.batch,
            training_batch=settings.training_batch,
        )
        batch = settings.batch or EvolveConfig().strategy.default_batch(self._first.n_classes)
        evolution = kinds * (settings.generations + 1) * batch
        fooling = kinds * self._evolutions * len(self._moments) * self._first.n_classes
        images = len(self._shown) + min(fooling, int(settings.share / (1 - settings.share) * len(self._shown)))
        shown = settings.epochs * images if settings.epochs else self._usually_shown()
        judging = Amounts(tested=len(self._test), judging=evolution)
        first = replace(judging, once=len(self._shown) if settings.distill else 0)
        later = replace(judging, collected=self._evolutions * evolution)
        later = replace(later, once=images) if settings.freeze_features else replace(later, shown=shown)
        self._course = Course(plan_round(pace, first), plan_round(pace, later), self._config.rounds)
        self._say(replace(self._where(self._task, {}), note=self._course.note()))

    def _begin(self, part: str, task: str, done: float = 0.0) -> None:
        """Says what begins: a task of a part of the round, of which a share is done."""
        self._part, self._done_of_part = part, done
        self._task = f"round {len(self._rounds)} of {self._config.rounds}: {task}"
        self._say(self._where(self._task, {}))

    def _advance(self, done: float) -> None:
        self._check_stop()
        self._done_of_part = done
        self._say(self._where(self._task, {}))

    def _where(self, task: str, metrics: Mapping[str, Any]) -> Progress:
        return Progress(
            task=task,
            unit="rounds",
            done=len(self._rounds),
            total=self._config.rounds + 1,
            metrics=metrics,
            share=self._course.share(len(self._rounds), self._part, self._done_of_part) if self._course else None,
            snapshot=self._snapshot if self._judged else None,
        )

    def _snapshot(self) -> Snapshot:
        """The elites evolved against the newest network."""
        pictures, confidence = best_of(list(self._judged[-1].values()))
        classes = np.arange(len(confidence))
        return Snapshot(
            classes=classes,
            class_names=self._first.class_names[: len(classes)],
            confidence=confidence,
            versions=np.full_like(classes, len(self._judged)),
            pixels=lambda rows: pictures[rows],
        )

    def _check_stop(self) -> None:
        if self._asked_to_stop():
            raise StopRequestedError


def _searches(settings: RetrainSettings) -> list[EvolveConfig]:
    """How images of each encoding are evolved."""
    found = []
    for encoding, preset in (("cppn", "paper-mnist"), ("direct", "paper-mnist-direct")):
        if settings.encoding in (encoding, "both"):
            paper = {name: PRESETS[preset][name] for name in ("encoding", "strategy")}
            found.append(build_config(paper if settings.search == "paper" else {"encoding": {"name": encoding}}))
    return found


def _share(verdicts: Sequence[NDArray[np.bool_]]) -> float | None:
    """The share of True among all; None if there is nothing."""
    count = sum(len(verdict) for verdict in verdicts)
    return sum(int(verdict.sum()) for verdict in verdicts) / count if count else None
