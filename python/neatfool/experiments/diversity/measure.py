"""Diversity: do independent runs find different images for one class, and related classes similar ones?

After Nguyen, Yosinski & Clune 2015, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
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
from neatfool.runs import RunFolder
from neatfool.search.archive import Archive
from neatfool.search.config import EvolveConfig, Neat
from neatfool.search.lineage import Lineage
from neatfool.search.run import load_model, load_search


@dataclass(frozen=True)
class _Loaded:
    """A run as far as it is compared, its elites in the order of the common classes."""

    folder: RunFolder
    config: EvolveConfig
    archive: Archive[Any]
    lineage: Lineage
    cells: NDArray[np.int64]


def load_common_classifier(runs: Sequence[RunFolder], *, device: str = "auto") -> Classifier:
    """The classifier that the first of some runs was evolved against.

    Raises:
        ConfigError: there are fewer than two runs.
        ModelError: the classifier cannot be loaded.
        RunError: the first run is damaged or was not made by `evolve`.
    """
    _check_count(runs)
    config, _, _ = load_search(runs[0])
    return load_model(config.model.model_copy(update={"device": device}))


def diversity(
    runs: Sequence[RunFolder],
    classifier: Classifier,
    *,
    hierarchy: NDArray[np.float64] | None = None,
    permutations: int = 999,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> DiversityResult:
    """Compares the elites of independent runs against one classifier, within classes and between them.

    Args:
        runs: two runs or more, of different seeds.
        classifier: the classifier they were evolved against.
        hierarchy: how closely its classes are related, (all classes, all classes), as from `hierarchy_similarity`.
        permutations: relabellings of each permutation test.
        seed: of the permutation tests.
        progress: told what is done next.

    Raises:
        ConfigError: there are fewer than two runs.
        ModelError: the classifier does not end in a linear layer or 1x1 convolution.
        RunError: a run is damaged, was not made by `evolve` or for another classifier, or the runs share no class.
    """
    say = progress or (lambda text: None)
    _check_count(runs)
    layer = last_layer(classifier.module, classifier.n_classes)
    if layer is None:
        raise ModelError(
            f"{classifier.name} has no last linear layer or 1x1 convolution whose features could be compared."
        )
    say("reading the runs")
    loaded, classes = _load(runs, classifier)
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
        runs=tuple(run.folder.path.resolve().name for run in loaded),
        seeds=tuple(run.config.seed for run in loaded),
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


def _check_count(runs: Sequence[RunFolder]) -> None:
    if len(runs) < 2:
        raise ConfigError("Diversity compares at least two runs of different seeds; give two run folders or more.")
    paths = [run.path.resolve() for run in runs]
    if len(set(paths)) < len(paths):
        raise ConfigError("A run is given twice; give runs of different seeds.")


def _load(runs: Sequence[RunFolder], classifier: Classifier) -> tuple[list[_Loaded], NDArray[np.int64]]:
    digest = classifier.weights_hash()
    searches = []
    for folder in runs:
        if folder.manifest.weights_hash != digest:
            raise RunError(
                f"{folder.path} was evolved against another classifier, or other weights of it; compare runs against "
                "one classifier."
            )
        if folder.manifest.image_shape != (classifier.channels, *classifier.image_size):
            raise RunError(
                f"{folder.path} has images of another size than the first run; compare runs of equal --crops."
            )
        searches.append(load_search(folder))
    common = set.intersection(*(set(strategy.archive.classes.tolist()) for _, strategy, _ in searches))
    if not common:
        raise RunError("The runs have no class in common; evolve them for the same --classes.")
    classes = np.array(sorted(common), np.int64)
    loaded = []
    for folder, (config, strategy, _) in zip(runs, searches, strict=True):
        position = {class_index: cell for cell, class_index in enumerate(strategy.archive.classes.tolist())}
        cells = np.array([position[class_index] for class_index in classes.tolist()], np.int64)
        loaded.append(_Loaded(folder, config, strategy.archive, strategy.lineage, cells))
    return loaded, classes


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
