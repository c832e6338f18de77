"""Diversity: do independent runs find different images for one class, and related classes similar ones?

After Nguyen, Yosinski & Clune 2015, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from neatfool import _core
from neatfool.classifiers import Classifier
from neatfool.classifiers.layers import last_layer
from neatfool.encodings import CppnPopulation
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.experiments.diversity.rank_correlation import RankCorrelation, mantel, overlap, ranks
from neatfool.runs import RunFolder
from neatfool.search import Archive, EvolveConfig, Lineage, Neat, load_search

COMPARED_SIDE = 32
"""Pictures are averaged down to this side at most before their pixels are compared."""

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Correlation:
    """Whether related classes have similar images.

    Attributes:
        relatedness: what makes two classes related: a key of `DiversityResult.relatedness`.
        similarity: what makes their images alike: a key of `DiversityResult.distances`, or "ancestors".
        within: "different runs", or "same run", where common ancestors add to the likeness.
        result: the rank correlation; positive if related classes have the more similar images.
    """

    relatedness: str
    similarity: str
    within: str
    result: RankCorrelation


@dataclass(frozen=True)
class DiversityResult:
    """The elites of R runs for the K classes that all of them evolved for.

    Attributes:
        runs: names of the runs.
        seeds: their seeds.
        model: name of the classifier.
        classes: class indices, int64 (K,).
        class_names: their names.
        images: the elites, uint8 (R, K, channels, height, width).
        confidence: the classifier's confidence in their class, float32 (R, K).
        features: their penultimate activations in the classifier, float32 (R, K, F).
        distances: float32 (R, K, R, K), from every elite to every other:
            "pixels": mean absolute difference, 1 is black to white; large pictures are averaged to 32 pixels first;
            "features": cosine distance of the penultimate activations;
            "structure" (CPPNs only): weighted Jaccard distance of the counts of connections by the kinds of their two
            nodes (input, activation, output), in [0, 1]; needs no common numbering of genes;
            "compatibility" (CPPNs only): NEAT's distance with the settings of `Neat()`. Each run numbers its genes in
            its own way, so it is NaN between different runs.
        nodes: output and hidden nodes of each genome, (R, K); None unless all are CPPNs.
        connections: connections of each genome, (R, K); None unless all are CPPNs.
        relatedness: float (K, K), how closely classes are related:
            "class weights": cosine similarity of their weight vectors in the last layer;
            "hierarchy": as given.
        shared_ancestors: common share of the ancestors (lines of first parents) of the elites of two classes, in
            [0, 1], (R, K, K).
        class_changes: how often the line of each elite moved from one class to another, int64 (R, K).
        correlations: whether related classes have similar images and ancestors.
        same_class: for each of `distances` between runs, the chance that a pair of elites of one class is closer than a
            pair of two classes (0.5: the class makes no difference), and the share of relabelled runs (permutation
            test, one-sided) in which elites of one class are as close on average.
    """

    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    model: str
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    images: NDArray[np.uint8]
    confidence: Float
    features: Float
    distances: dict[str, Float]
    nodes: NDArray[np.int64] | None
    connections: NDArray[np.int64] | None
    relatedness: dict[str, NDArray[np.floating]]
    shared_ancestors: NDArray[np.float64]
    class_changes: NDArray[np.int64]
    correlations: tuple[Correlation, ...]
    same_class: dict[str, tuple[float, float]]

    def groups(self, measure: str) -> dict[str, Float]:
        """The distances between elites of one class, of two classes in different runs, and in the same run.

        Each pair counts once.
        """
        distance = self.distances[measure]
        count, size = distance.shape[:2]
        apart = ~np.eye(size, dtype=bool)
        between = [distance[one, :, other] for one in range(count) for other in range(one + 1, count)]
        return {
            "same class, different runs": np.concatenate([np.diag(block) for block in between]),
            "different classes, different runs": np.concatenate([block[apart] for block in between]),
            "different classes, same run": np.concatenate(
                [distance[run, :, run][np.triu_indices(size, 1)] for run in range(count)]
            ),
        }

    def nearest_same_class(self, measure: str) -> float:
        """How often the nearest elite of another run is of the same class; chance is 1 in K."""
        distance = self.distances[measure].copy()
        count, size = distance.shape[:2]
        for run in range(count):
            distance[run, :, run] = np.inf
        nearest = distance.reshape(count, size, -1).argmin(2) % size
        return float((nearest == np.arange(size)).mean())

    def summary(self) -> dict[str, Any]:
        """Everything that is not a picture or a matrix, ready for JSON."""
        changes = self.class_changes
        return {
            "runs": list(self.runs),
            "seeds": list(self.seeds),
            "model": self.model,
            "classes": len(self.classes),
            "distances": {measure: self._distance_summary(measure) for measure in self.distances},
            "complexity": [self._complexity(run) for run in range(len(self.runs))] if self.nodes is not None else None,
            "related_classes": [
                {
                    "relatedness": one.relatedness,
                    "similarity": one.similarity,
                    "within": one.within,
                    "rho": _number(one.result.rho),
                    "p": _number(one.result.p),
                    "pairs": one.result.pairs,
                }
                for one in self.correlations
            ],
            "ancestry": [
                {
                    "run": name,
                    "from_another_class": int((changes[run] > 0).sum()),
                    "mean_class_changes": float(changes[run].mean()),
                    "mean_shared_ancestors": _mean(self.shared_ancestors[run][np.triu_indices(len(self.classes), 1)]),
                }
                for run, name in enumerate(self.runs)
            ],
            "per_class": [self._class_summary(cell) for cell in range(len(self.classes))],
        }

    def _distance_summary(self, measure: str) -> dict[str, Any]:
        groups = {name: values for name, values in self.groups(measure).items() if not np.isnan(values).any()}
        figures: dict[str, Any] = {
            name: {"mean": _mean(values), "median": _number(float(np.median(values))) if len(values) else None}
            for name, values in groups.items()
        }
        if measure in self.same_class:
            closer, p = self.same_class[measure]
            figures |= {
                "same_class_closer": _number(closer),
                "p": _number(p),
                "nearest_same_class": self.nearest_same_class(measure),
            }
        return figures

    def _complexity(self, run: int) -> dict[str, Any]:
        nodes, connections = self.nodes, self.connections
        return {
            "run": self.runs[run],
            "mean_nodes": None if nodes is None else float(nodes[run].mean()),
            "mean_connections": None if connections is None else float(connections[run].mean()),
        }

    def _class_summary(self, cell: int) -> dict[str, Any]:
        pixels = class_distances(self.distances["pixels"], same_run=False)
        others = np.where(np.arange(len(self.classes)) == cell, np.inf, pixels[cell])
        alike = int(others.argmin())
        return {
            "class": int(self.classes[cell]),
            "class_name": self.class_names[cell],
            "confidence": self.confidence[:, cell].tolist(),
            "distance_between_runs": {
                measure: float(class_distances(self.distances[measure], same_run=False)[cell, cell])
                for measure in self.same_class
            },
            "most_alike_class": int(self.classes[alike]) if len(self.classes) > 1 else None,
            "class_changes": self.class_changes[:, cell].tolist(),
        }


@dataclass(frozen=True)
class _Loaded:
    """A run as far as it is compared, its elites in the order of the common classes."""

    folder: RunFolder
    config: EvolveConfig
    archive: Archive
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
    return config.model.model_copy(update={"device": device}).load()


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
    flat_distances = {"pixels": _pixel_distances(flat), "features": _cosine_distances(features)}
    distances = {name: one.reshape(count, size, count, size) for name, one in flat_distances.items()}
    genomes = [run.archive.genomes.take(run.cells) for run in loaded]
    nodes = connections = None
    if all(isinstance(one, CppnPopulation) for one in genomes):
        nodes = np.stack([one.genomes.node_counts() for one in genomes]).astype(np.int64)
        connections = np.stack([one.genomes.connection_counts() for one in genomes]).astype(np.int64)
        structure = _structure_distances(np.concatenate([connection_kinds(one.genomes) for one in genomes]))
        distances["structure"] = structure.reshape(count, size, count, size)
        distances["compatibility"] = np.full((count, size, count, size), np.nan, np.float32)
        for run, one in enumerate(genomes):
            distances["compatibility"][run, :, run] = one.genomes.distances(one.genomes, Neat())
    lines = [_lines(run) for run in loaded]
    relatedness: dict[str, NDArray[np.floating]] = {
        "class weights": 1 - _cosine_distances(layer[1].weight.detach().float().cpu().flatten(1).numpy()[classes])
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
            name: _same_class_test(distances[name], permutations=permutations, seed=seed)
            for name in distances
            if name != "compatibility"
        },
    )


def class_distances(distance: Float, *, same_run: bool) -> NDArray[np.float64]:
    """Mean distance between the elites of two classes, in the same run or in different ones, shape (K, K)."""
    count = len(distance)
    pairs = [(one, other) for one in range(count) for other in range(count) if (one == other) == same_run]
    mean: NDArray[np.float64] = np.mean([distance[one, :, other] for one, other in pairs], axis=0, dtype=np.float64)
    return mean


def connection_kinds(genomes: _core.CppnGenomes) -> NDArray[np.int64]:
    """How many enabled connections each genome has by the kinds of the two nodes they join.

    A source is one of the four inputs or a node of some activation; a target is a hidden node of some activation or one
    of the outputs.

    Returns:
        Counts, shape (N, kinds).
    """
    inputs, outputs, names = 4, genomes.outputs, len(_core.activation_names())
    arrays: dict[str, NDArray[Any]] = genomes.arrays()
    counts = np.zeros((len(genomes), (inputs + names) * (names + outputs)), np.int64)
    node_ends = np.cumsum(arrays["node_counts"])
    ends = np.cumsum(arrays["connection_counts"])
    for index in range(len(genomes)):
        nodes = slice(node_ends[index] - arrays["node_counts"][index], node_ends[index])
        genes = slice(ends[index] - arrays["connection_counts"][index], ends[index])
        kind = {node: node for node in range(inputs)}
        activations = dict(
            zip(arrays["node_ids"][nodes].tolist(), arrays["node_activations"][nodes].tolist(), strict=True)
        )
        kind |= {node: inputs + activation for node, activation in activations.items()}
        for source, target, enabled in zip(
            arrays["sources"][genes].tolist(), arrays["targets"][genes].tolist(), arrays["enabled"][genes], strict=True
        ):
            if enabled:
                hidden = target >= inputs + outputs
                column = activations[target] if hidden else names + target - inputs
                counts[index, kind[source] * (names + outputs) + column] += 1
    return counts


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
    common = set.intersection(*(set(search.archive.classes.tolist()) for _, search, _ in searches))
    if not common:
        raise RunError("The runs have no class in common; evolve them for the same --classes.")
    classes = np.array(sorted(common), np.int64)
    loaded = []
    for folder, (config, search, _) in zip(runs, searches, strict=True):
        position = {class_index: cell for cell, class_index in enumerate(search.archive.classes.tolist())}
        cells = np.array([position[class_index] for class_index in classes.tolist()], np.int64)
        loaded.append(_Loaded(folder, config, search.archive, search.lineage, cells))
    return loaded, classes


def _pixel_distances(images: NDArray[np.uint8]) -> Float:
    pixels = torch.from_numpy(images).float() / 255
    height, width = pixels.shape[2:]
    if max(height, width) > COMPARED_SIDE:
        small = [
            adaptive_avg_pool2d(one, (min(height, COMPARED_SIDE), min(width, COMPARED_SIDE)))
            for one in torch.split(pixels, 64)
        ]
        pixels = torch.cat(small)
    flat = pixels.flatten(1)
    mean: Float = (torch.cdist(flat, flat, p=1) / flat.shape[1]).numpy()
    return mean


def _cosine_distances(vectors: Float) -> Float:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    distance: Float = np.clip(1 - unit @ unit.T, 0, 2)
    np.fill_diagonal(distance, 0)
    return distance


def _structure_distances(counts: NDArray[np.int64]) -> Float:
    """Weighted Jaccard distance: 1 - (sum of the smaller counts) / (sum of the larger counts)."""
    vectors = torch.from_numpy(counts).float()
    differing = torch.cdist(vectors, vectors, p=1)
    total = vectors.sum(1)
    sums = total[:, None] + total[None]
    distance: Float = torch.where(sums > 0, 2 * differing / (sums + differing).clamp_min(1), 0.0).numpy()
    return distance


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


def _same_class_test(distance: Float, *, permutations: int, seed: int) -> tuple[float, float]:
    """See `DiversityResult.same_class`."""
    count, size = distance.shape[:2]
    if size < 2:
        return float("nan"), float("nan")
    apart = ~np.eye(size, dtype=bool)
    blocks = [(one, other, distance[one, :, other]) for one in range(count) for other in range(one + 1, count)]
    same = np.concatenate([np.diag(block) for _, _, block in blocks])
    different = np.concatenate([block[apart] for _, _, block in blocks])
    position = ranks(np.concatenate([same, different]))[: len(same)]
    higher = position.sum() - len(same) * (len(same) + 1) / 2
    closer = 1 - float(higher) / (len(same) * len(different))

    rng = np.random.default_rng(seed)
    observed = float(same.mean(dtype=np.float64))
    reached = 1
    for _ in range(permutations):
        orders = [rng.permutation(size) for _ in range(count)]
        mean = np.mean([block[orders[one], orders[other]] for one, other, block in blocks], dtype=np.float64)
        reached += float(mean) <= observed + 1e-12
    return closer, reached / (permutations + 1)


def _mean(values: NDArray[np.floating]) -> float | None:
    return float(values.mean(dtype=np.float64)) if len(values) else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
