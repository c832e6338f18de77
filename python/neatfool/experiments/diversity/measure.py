"""Diversity: do independent runs find different images for one class, and related classes similar ones?

After Nguyen, Yosinski & Clune 2015, section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier, same_classifier
from neatfool.classifiers.layers import last_layer
from neatfool.encodings import CppnPopulation
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.experiments.diversity.distances import (
    Float,
    class_distances,
    connection_kinds,
    cosine_distances,
    overlap,
    pixel_distances,
    structure_distances,
)
from neatfool.experiments.diversity.permutation import mantel, same_class_test
from neatfool.experiments.diversity.result import Correlation, DiversityResult
from neatfool.runs import RunFolder, StopRequestedError, check_same, load_model
from neatfool.search import Archive, Lineage, Neat, Run, load_search
from neatfool.shared.progress import OnProgress, Progress, Stop

Source = Run | RunFolder | Path | str
"""A run of `evolve`, or its folder."""

_PARTS = 4


@dataclass(frozen=True)
class _Loaded:
    """A run as far as it is compared, its elites in the order of the common classes."""

    name: str
    seed: int
    archive: Archive
    lineage: Lineage
    cells: NDArray[np.int64]


def load_common_classifier(runs: Sequence[Source], *, device: str = "auto") -> Classifier:
    """The classifier that the first of some runs was evolved against.

    Raises:
        ConfigError: there are fewer than two runs.
        ModelError: the classifier cannot be loaded.
        RunError: the first run is damaged or was not made by `evolve`.
    """
    _check_count(runs)
    first = runs[0]
    if isinstance(first, Run) and isinstance(first.judge, Classifier):
        return first.judge
    if isinstance(first, Run):
        return first.config.model.model_copy(update={"device": device}).load()
    folder = RunFolder.of(first)
    return load_model(folder, load_search(folder)[0].model.model_copy(update={"device": device}))


def diversity(
    source: Sequence[Source],
    *,
    judge: Classifier | None = None,
    hierarchy: NDArray[np.float64] | None = None,
    permutations: int = 999,
    seed: int = 0,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> DiversityResult:
    """Compares the elites of independent runs against one classifier, within classes and between them.

    Args:
        source: two runs or more, or their folders, of different seeds.
        judge: the classifier they were evolved against; loaded by its name if None.
        hierarchy: how closely its classes are related, (all classes, all classes), as from `hierarchy_similarity`.
        permutations: relabellings of each permutation test.
        seed: of the permutation tests.
        progress: told what is done next.
        stop: asked before each part; True ends there.

    Raises:
        ConfigError: there are fewer than two runs.
        ModelError: the classifier does not end in a linear layer or 1x1 convolution.
        RunError: a run is damaged, was not made by `evolve` or for another classifier, or the runs share no class.
    """
    parts = iter(range(_PARTS))

    def say(task: str) -> None:
        if stop and stop():
            raise StopRequestedError
        if progress:
            progress(Progress(task=task, unit="parts", done=next(parts), total=_PARTS))

    _check_count(source)
    classifier = judge or load_common_classifier(source)
    layer = last_layer(classifier.module, classifier.n_classes)
    if layer is None:
        raise ModelError(
            f"{classifier.name} has no last linear layer or 1x1 convolution whose features could be compared."
        )
    say("reading the runs")
    loaded, classes = _load(source, classifier)
    count, size = len(loaded), len(classes)
    images = np.stack([run.archive.pixels()[run.cells] for run in loaded])
    say("computing features")
    flat = images.reshape(-1, *images.shape[2:])
    features = classifier.features(flat)
    say("measuring distances")
    flat_distances = {"pixels": pixel_distances(flat), "features": cosine_distances(features)}
    distances = {name: one.reshape(count, size, count, size) for name, one in flat_distances.items()}
    genomes = [run.archive.genomes.take(run.cells) for run in loaded]
    nodes = connections = None
    if all(isinstance(one, CppnPopulation) for one in genomes):
        nodes = np.stack([one.genomes.node_counts() for one in genomes]).astype(np.int64)
        connections = np.stack([one.genomes.connection_counts() for one in genomes]).astype(np.int64)
        structure = structure_distances(np.concatenate([connection_kinds(one.genomes) for one in genomes]))
        distances["structure"] = structure.reshape(count, size, count, size)
        distances["compatibility"] = np.full((count, size, count, size), np.nan, np.float32)
        for run, one in enumerate(genomes):
            distances["compatibility"][run, :, run] = one.genomes.distances(one.genomes, Neat())
    lines = [_lines(run) for run in loaded]
    relatedness: dict[str, NDArray[np.floating]] = {
        "class weights": 1 - cosine_distances(layer[1].weight.detach().float().cpu().flatten(1).numpy()[classes])
    }
    if hierarchy is not None:
        relatedness["hierarchy"] = hierarchy[np.ix_(classes, classes)]
    shared = np.stack([overlap([ancestors for ancestors, _ in line]) for line in lines])
    say("testing")
    return DiversityResult(
        runs=tuple(run.name for run in loaded),
        seeds=tuple(run.seed for run in loaded),
        model=classifier.name,
        classes=classes,
        class_names=tuple(classifier.class_names[index] for index in classes),
        images=images,
        confidence=np.stack([run.archive.confidence[run.cells] for run in loaded]),
        features=features.reshape(count, size, -1),
        distances=distances,
        nodes=nodes,
        connections=connections,
        relatedness=relatedness,
        shared_ancestors=shared,
        class_changes=np.array([[changes for _, changes in line] for line in lines], np.int64),
        correlations=_correlations(relatedness, distances, shared, permutations=permutations, seed=seed),
        same_class={
            name: same_class_test(distances[name], permutations=permutations, seed=seed)
            for name in distances
            if name != "compatibility"
        },
    )


def _check_count(runs: Sequence[Source]) -> None:
    if len(runs) < 2:
        raise ConfigError("Diversity compares at least two runs of different seeds; give two run folders or more.")
    folders = [one.folder if isinstance(one, Run) else RunFolder.of(one) for one in runs]
    paths = [folder.path.resolve() for folder in folders if folder]
    if len(set(paths)) < len(paths):
        raise ConfigError("A run is given twice; give runs of different seeds.")


def _load(runs: Sequence[Source], classifier: Classifier) -> tuple[list[_Loaded], NDArray[np.int64]]:
    searches = [_load_one(one, classifier) for one in runs]
    common = set.intersection(*(set(archive.classes.tolist()) for _, _, archive, _ in searches))
    if not common:
        raise RunError("The runs have no class in common; evolve them for the same --classes.")
    classes = np.array(sorted(common), np.int64)
    loaded = []
    for name, seed, archive, lineage in searches:
        position = {class_index: cell for cell, class_index in enumerate(archive.classes.tolist())}
        cells = np.array([position[class_index] for class_index in classes.tolist()], np.int64)
        loaded.append(_Loaded(name, seed, archive, lineage, cells))
    return loaded, classes


def _load_one(source: Source, classifier: Classifier) -> tuple[str, int, Archive, Lineage]:
    """Name, seed, archive and lineage of a run against this classifier."""
    if isinstance(source, Run):
        if not isinstance(source.judge, Classifier) or not same_classifier(source.judge, classifier):
            raise RunError(f"A run was evolved against {source.judge.name}; compare runs against one classifier.")
        name = source.folder.path.resolve().name if source.folder else f"seed {source.config.seed}"
        return name, source.config.seed, source.archive, source.lineage
    folder = RunFolder.of(source)
    if folder.manifest.weights_hash != classifier.weights_hash():
        raise RunError(
            f"{folder.path} was evolved against another classifier, or other weights of it; compare runs against "
            "one classifier."
        )
    if folder.manifest.image_shape != classifier.image_shape:
        raise RunError(f"{folder.path} has images of another size than the first run; compare runs of equal --crops.")
    check_same(folder, classifier)
    config, search, _ = load_search(folder)
    return folder.path.resolve().name, config.seed, search.archive, search.lineage


def _lines(run: _Loaded) -> list[tuple[set[int], int]]:
    """For every elite: the ids on its line of first parents, itself included, and the changes of class along it."""
    lines = []
    for cell in run.cells.tolist():
        births = run.lineage.ancestry(int(run.archive.ids[cell]))
        held = [int(run.archive.classes[cell]), *(one.class_index for one in births if one.class_index is not None)]
        changes = sum(one != other for one, other in pairwise(held))
        lines.append(({one.id for one in births}, changes))
    return lines


def _correlations(
    relatedness: dict[str, NDArray[np.floating]],
    distances: dict[str, Float],
    shared: NDArray[np.float64],
    *,
    permutations: int,
    seed: int,
) -> tuple[Correlation, ...]:
    found = []
    for name, related in relatedness.items():
        for measure, distance in distances.items():
            for same_run in (False, True):
                if measure == "compatibility" and not same_run:
                    continue
                result = mantel(
                    related, -class_distances(distance, same_run=same_run), permutations=permutations, seed=seed
                )
                found.append(Correlation(name, measure, "same run" if same_run else "different runs", result))
        result = mantel(related, shared.mean(0), permutations=permutations, seed=seed)
        found.append(Correlation(name, "ancestors", "same run", result))
    return tuple(found)
