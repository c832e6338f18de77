"""Evolving images that a classifier is sure about: begin, go on, stop, and pick up again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.encodings import Cppn, Direct
from neatfool.errors import ConfigError, RunError
from neatfool.models import load_classifier
from neatfool.runs import RunFolder, expect
from neatfool.search.archive import Archive
from neatfool.search.config import EvolveConfig, MapElites, ModelConfig, Neat, build_config
from neatfool.search.evaluate import Evaluator, Profile
from neatfool.search.lineage import Lineage
from neatfool.search.strategies.map_elites import MapElitesSearch
from neatfool.search.strategies.neat import NeatSearch
from neatfool.search.strategy import Strategy

SMALL_CLASSIFIER = 100
"""Up to this many classes the default batch is that of the paper's MNIST runs."""
_CHECKPOINT_SECONDS = 60.0
_PRUNE_EVERY = 100

Metrics = dict[str, float | int]


class Run:
    """A search in progress or done.

    Attributes:
        config: its settings.
        classifier: the network being fooled.
        archive: the elites: `run.archive.confidence` is float32 of shape (classes,).
        lineage: who descends from whom.
        generation: the last complete generation; 0 is the random start.
        metrics: one dictionary a generation, as in `metrics.jsonl`.
        folder: where it is written, or None.
        profile: where the time went.
    """

    def __init__(
        self,
        config: EvolveConfig,
        classifier: Classifier,
        strategy: Strategy,
        *,
        generation: int,
        metrics: list[Metrics],
        folder: RunFolder | None,
        profile: Profile,
    ) -> None:
        self.config = config
        self.classifier = classifier
        self.generation = generation
        self.metrics = metrics
        self.folder = folder
        self.profile = profile
        self._strategy = strategy

    @property
    def archive(self) -> Archive[Any]:
        """The elites."""
        return self._strategy.archive

    @property
    def lineage(self) -> Lineage:
        """Who descends from whom."""
        return self._strategy.lineage

    @property
    def evaluations(self) -> int:
        """Images judged so far."""
        start, batch = population_sizes(self.config, len(self.archive))
        return start + self.generation * batch

    def summary(self) -> dict[str, Any]:
        """The result in one JSON-ready dictionary, as `neatfool evolve --json` prints it."""
        seconds = float(self.metrics[-1]["seconds"])
        stages = {name: round(value, 4) for name, value in self.profile.seconds.items()}
        spent = sum(self.profile.seconds.values())
        return {
            "run": str(self.folder.path) if self.folder else None,
            "model": self.classifier.name,
            "encoding": self.config.encoding.name,
            "strategy": self.config.strategy.name,
            "seed": self.config.seed,
            "generations": self.generation,
            "evaluations": self.evaluations,
            "classes": len(self.archive),
            **self.archive.statistics(),
            "seconds": round(seconds, 3),
            "evaluations_per_second": round(self.evaluations / seconds, 1) if seconds else None,
            "profile": stages,
            "classify_share": round(self.profile.seconds["classify"] / spent, 4) if spent else None,
        }

    def advance(self, generations: int, *, stop: Callable[[], bool] | None = None) -> None:
        """Evolves on, up to generation `generations`."""
        evaluator = Evaluator(self.classifier, self.profile)
        try:
            self._advance(evaluator, generations, None, stop)
        finally:
            evaluator.close()

    def save(self) -> None:
        """Writes checkpoint and pictures into the run folder, if there is one."""
        if self.folder is None:
            return
        with self.profile.stage("write"):
            self._save_checkpoint(self.folder)
            classes = self.archive.classes.tolist()
            self.folder.write_images(dict(zip(classes, self.archive.pixels(), strict=True)))

    def _save_checkpoint(self, folder: RunFolder) -> None:
        self.lineage.prune(self._strategy.living().tolist())
        archive = self.archive
        genomes = {f"archive.genomes.{name}": values for name, values in archive.genomes.arrays().items()}
        state = {f"strategy.{name}": values for name, values in self._strategy.arrays().items()}
        arrays = {
            "archive.classes": archive.classes,
            "archive.confidence": archive.confidence,
            "archive.id": archive.ids,
            "archive.generation": archive.generation,
            "lineage": self.lineage.array(),
        }
        folder.save_checkpoint({**arrays, **genomes, **state}, {"generation": str(self.generation)})

    def _advance(
        self,
        evaluator: Evaluator,
        generations: int,
        on_generation: Callable[[Metrics], None] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        """Runs up to generation `generations`, or until `stop` says so, writing as it goes."""
        strategy, profile = self._strategy, self.profile
        before = float(self.metrics[-1]["seconds"])
        begin = time.perf_counter()
        saved = -math.inf
        while self.generation < generations and not (stop and stop()):
            generation = self.generation + 1
            first_id = self.evaluations
            with profile.stage("vary"):
                proposal = strategy.propose(generation)
            scores = evaluator(proposal.children)
            with profile.stage("select"):
                improved = strategy.accept(proposal, scores, first_id=first_id, generation=generation)
                if generation % _PRUNE_EVERY == 0:
                    self.lineage.prune(strategy.living().tolist())
            self.generation = generation
            now = time.perf_counter()
            self._record(improved, before + now - begin)
            if on_generation:
                on_generation(self.metrics[-1])
            # The first generation is written at once, so that whatever happens later there is a run to resume.
            if self.folder and now - saved > _CHECKPOINT_SECONDS:
                with profile.stage("write"):
                    self._save_checkpoint(self.folder)
                saved = time.perf_counter()
        self.save()
        self.metrics[-1]["seconds"] = round(before + time.perf_counter() - begin, 3)

    def _record(self, improved: int, seconds: float) -> None:
        """Adds a line to the metrics."""
        with self.profile.stage("write"):
            row: Metrics = {
                "generation": self.generation,
                "evaluations": self.evaluations,
                **self.archive.statistics(),
                "improved": improved,
                "seconds": round(seconds, 3),
            }
            self.metrics.append(row)
            if self.folder:
                self.folder.append_metrics(row)


def population_sizes(config: EvolveConfig, cells: int) -> tuple[int, int]:
    """Random individuals of generation 0 and children of every later one, for a number of classes evolved for."""
    batch = config.batch or (200 if cells <= SMALL_CLASSIFIER else 400)
    if config.strategy.name == "neat" and config.batch is None:
        batch = max(batch, 20 * cells)
    return config.start or batch, batch


def evolve(
    classifier: Classifier | None = None,
    *,
    encoding: Cppn | Direct | None = None,
    strategy: MapElites | Neat | None = None,
    generations: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    classes: str | None = None,
    out: Path | str | None = None,
    config: EvolveConfig | None = None,
    on_generation: Callable[[Metrics], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Evolves one image for each class that the classifier is as sure as possible about (paper section 2.2).

    Args:
        classifier: the network to fool; None loads the one `config` names (the built-in MNIST network by default).
        encoding: what genomes are; CPPNs by default.
        strategy: how they are found; MAP-Elites by default.
        generations: generations after the random start; 200 by default.
        batch: children of each; 200 by default for up to 100 classes, else 400.
        seed: the same seed gives the same run.
        classes: indices or names of the classes to evolve for, as in "0-4,9,goldfish"; all by default.
        out: run folder to write; None keeps everything in memory.
        config: settings to start from; the arguments above override it.
        on_generation: called with the metrics of each generation.
        stop: asked before each generation; True ends the run there.

    Returns:
        The finished run.

    Raises:
        ConfigError: a setting is unknown or out of range.
        ModelError: the classifier cannot be loaded.
        RunError: the run folder cannot be written.
    """
    given = {"encoding": encoding, "strategy": strategy}
    overrides: dict[str, Any] = {key: value.model_dump() for key, value in given.items() if value is not None}
    plain = {"generations": generations, "batch": batch, "seed": seed, "classes": classes}
    overrides |= {key: value for key, value in plain.items() if value is not None}
    settings = build_config((config or EvolveConfig()).model_dump(), overrides)
    if classifier is None:
        classifier = load_model(settings.model)
    else:
        settings = settings.model_copy(update={"model": model_of(classifier)})
    cells = chosen_classes(settings, classifier)
    start, batch_size = population_sizes(settings, len(cells))
    settings = settings.model_copy(update={"start": start, "batch": batch_size})

    with ExitStack() as stack:
        folder = None
        if out is not None:
            manifest = describe_classifier(classifier, command="evolve")
            folder = RunFolder.create(Path(out), config=settings.model_dump(), manifest=manifest)
            stack.enter_context(folder.lock())
        profile = Profile()
        evaluator = Evaluator(classifier, profile)
        stack.callback(evaluator.close)

        begin = time.perf_counter()
        neat = settings.strategy.name == "neat"
        with profile.stage("vary"):
            first = settings.encoding.start(start, shape=image_shape(classifier), seed=settings.seed, neat=neat)
        scores = evaluator(first)
        with profile.stage("select"):
            chosen = _begin_strategy(settings, cells, first, scores)
        run = Run(settings, classifier, chosen, generation=0, metrics=[], folder=folder, profile=profile)
        run._record(len(cells), time.perf_counter() - begin)
        if on_generation:
            on_generation(run.metrics[-1])
        run._advance(evaluator, settings.generations, on_generation, stop)
    return run


def resume(
    path: Path | str,
    *,
    generations: int | None = None,
    classifier: Classifier | None = None,
    on_generation: Callable[[Metrics], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Continues a run exactly as if it had never stopped.

    Args:
        path: the run folder.
        generations: generations to reach in all; by default those the run was started with.
        classifier: the network, where `load_classifier` cannot find it by name.
        on_generation: called with the metrics of each generation.
        stop: asked before each generation; True ends the run there.

    Raises:
        ConfigError: fewer generations are asked for than are done.
        ModelError: the classifier cannot be loaded.
        RunError: the folder is not a run, is damaged, or belongs to another classifier.
    """
    folder = RunFolder.open(Path(path))
    with ExitStack() as stack:
        stack.enter_context(folder.lock())
        run = load_run(folder, classifier=classifier)
        target = run.config.generations if generations is None else generations
        if target < run.generation:
            raise ConfigError(
                f"The run {path} has {run.generation} generations already; ask for --generations {run.generation} or more."
            )
        folder.truncate_metrics(run.generation)
        evaluator = Evaluator(run.classifier, run.profile)
        stack.callback(evaluator.close)
        run._advance(evaluator, target, on_generation, stop)
    return run


def load_run(folder: RunFolder, *, classifier: Classifier | None = None) -> Run:
    """The run in a folder as its checkpoint left it.

    Raises:
        ModelError: the classifier cannot be loaded.
        RunError: the folder is damaged, was not made by `evolve`, or belongs to another classifier.
    """
    config, strategy, generation = load_search(folder)
    classifier = classifier_of(folder, config.model, classifier)
    metrics = [row for row in folder.metrics() if row["generation"] <= generation]
    return Run(config, classifier, strategy, generation=generation, metrics=metrics, folder=folder, profile=Profile())


def load_search(folder: RunFolder) -> tuple[EvolveConfig, Strategy, int]:
    """Settings, search and generation of a run folder, without the classifier.

    Raises:
        RunError: the folder is damaged or was not made by `evolve`.
    """
    if folder.manifest.command != "evolve":
        raise RunError(
            f"{folder.path} was made by `neatfool {folder.manifest.command}`; only a run of `neatfool evolve` has genomes."
        )
    try:
        config = build_config(folder.config)
    except ConfigError as error:
        raise RunError(f"{folder.path / 'config.toml'} does not describe a run: {error}") from error
    arrays, metadata = folder.load_checkpoint()
    strategy = _restore_strategy(config, folder.manifest.image_shape, arrays)
    generation = metadata.get("generation", "")
    if not generation.isdecimal():
        raise RunError(f"The checkpoint of {folder.path} does not say which generation it is of; it is damaged.")
    return config, strategy, int(generation)


def classifier_of(folder: RunFolder, model: ModelConfig, classifier: Classifier | None = None) -> Classifier:
    """The classifier a run was made against, loaded by name unless given.

    Raises:
        ModelError: it cannot be loaded.
        RunError: its weights are others than the run's.
    """
    if classifier is None:
        classifier = load_model(model)
    if classifier.weights_hash() != folder.manifest.weights_hash:
        raise RunError(
            f"The run {folder.path} was made against other weights of {folder.manifest.model}; "
            f"put back the weights it was started with ({model.weights or 'built in'})."
        )
    return classifier


def model_of(classifier: Classifier) -> ModelConfig:
    """The configuration that names a classifier, on whatever device there is."""
    return ModelConfig(
        name=classifier.name,
        weights=classifier.weights,
        crops=classifier.crops,
        backend=classifier.backend,
        precision=classifier.precision,
    )


def load_model(model: ModelConfig) -> Classifier:
    """The classifier a configuration names."""
    return load_classifier(
        model.name,
        weights=model.weights,
        device=model.device,
        crops=model.crops,
        backend=model.backend,
        precision=model.precision,
    )


def image_shape(classifier: Classifier) -> tuple[int, int, int]:
    """(channels, height, width) of the images a classifier looks at."""
    return (classifier.channels, *classifier.image_size)


def describe_classifier(classifier: Classifier, *, command: str) -> dict[str, Any]:
    """The manifest fields that say what a run was made against."""
    return {
        "command": command,
        "model": classifier.name,
        "class_names": list(classifier.class_names),
        "image_shape": image_shape(classifier),
        "preprocessing": classifier.preprocessing(),
        "weights_hash": classifier.weights_hash(),
    }


def chosen_classes(config: EvolveConfig, classifier: Classifier) -> NDArray[np.int64]:
    """Indices of the classes a run evolves for."""
    if config.classes is None:
        return np.arange(classifier.n_classes)
    return np.array(classifier.classes(config.classes), np.int64)


def _begin_strategy(
    config: EvolveConfig, cells: NDArray[np.int64], first: Any, scores: NDArray[np.float32]
) -> Strategy:
    archive = Archive(cells, first, scores)
    _, batch = population_sizes(config, len(cells))
    lineage = Lineage()
    count = len(first)
    lineage.add(range(count), [(-1, -1)] * count, [-1] * count, generation=0)
    if isinstance(config.strategy, Neat):
        return NeatSearch.begin(
            archive, lineage, config.strategy, first=first, scores=scores, batch=batch, seed=config.seed
        )
    return MapElitesSearch(archive, lineage, parents=config.encoding.parents, batch=batch, seed=config.seed)


def _restore_strategy(
    config: EvolveConfig, shape: tuple[int, int, int], arrays: Mapping[str, NDArray[Any]]
) -> Strategy:
    cells = len(expect(arrays, "archive.classes", np.int64, (None,), ndim=1))
    stored = {
        key: expect(arrays, f"archive.{name}", dtype, (cells,), ndim=1)
        for key, name, dtype in (
            ("classes", "classes", np.int64),
            ("confidence", "confidence", np.float32),
            ("ids", "id", np.int64),
            ("generation", "generation", np.int64),
        )
    }
    neat = config.strategy.name == "neat"

    def under(prefix: str) -> dict[str, NDArray[Any]]:
        return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}

    lineage = Lineage(expect(arrays, "lineage", np.int64, (None, 5), ndim=2))
    _, batch = population_sizes(config, cells)
    try:
        genomes = config.encoding.restore(under("archive.genomes."), shape=shape, seed=config.seed, neat=neat)
        archive: Archive[Any] = Archive.restored(genomes, **stored)
        if isinstance(config.strategy, Neat):
            return NeatSearch.restored(
                archive,
                lineage,
                config.strategy,
                under("strategy."),
                pool=archive.genomes.relatives(under("strategy.pool.")),
                batch=batch,
                seed=config.seed,
            )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"The checkpoint does not hold the genomes of the run ({error}); it is damaged.") from error
    return MapElitesSearch(archive, lineage, parents=config.encoding.parents, batch=batch, seed=config.seed)
