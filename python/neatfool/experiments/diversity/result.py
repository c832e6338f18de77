"""What independent runs have in common and what not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.experiments.diversity.distances import Float, class_distances
from neatfool.experiments.diversity.permutation import RankCorrelation
from neatfool.shared.files import make_folder, write_json


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

    def write(self, out: Path | str, *, elite_map: bool = True, seed: int = 0) -> None:
        """Writes diversity.json, diversity.html, diversity.png and map.png into a folder, made if it does not exist.

        Args:
            out: the folder.
            elite_map: whether to draw the map, which needs scikit-learn.
            seed: of the map.

        Raises:
            ConfigError: scikit-learn is not installed.
            RunError: a file cannot be written.
        """
        from neatfool.experiments.diversity.figure import draw_map, draw_sheet
        from neatfool.experiments.diversity.page import write_page
        from neatfool.figures.tiles import write_png

        drawn = draw_map(self, seed=seed) if elite_map else None
        out = Path(out)
        make_folder(out)
        write_json(out / "diversity.json", self.summary())
        write_png(draw_sheet(self), out / "diversity.png")
        if drawn:
            write_png(drawn, out / "map.png")
        write_page(self, out / "diversity.html", elite_map=drawn)

    def _repr_html_(self) -> str:
        from neatfool.experiments.diversity.figure import draw_sheet
        from neatfool.figures.tiles import picture_uri

        return f'<img src="{picture_uri(draw_sheet(self), 1600)}" alt="Elites of {len(self.runs)} runs" width="800">'

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


def _mean(values: NDArray[np.floating]) -> float | None:
    return float(values.mean(dtype=np.float64)) if len(values) else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
