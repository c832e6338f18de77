"""What classifiers make of images that were evolved for another one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.shared.text import percent


@dataclass(frozen=True)
class TransferResult:
    """What T classifiers make of N images that were evolved for another one.

    Attributes:
        name: what the images are called.
        source: name of the classifier they were evolved for, or None.
        targets: what the classifiers are called; their weights file is added where two share a name.
        models: names of the classifiers.
        weights: their weights, as `load_classifier` takes them.
        itself: whether each target is the classifier the images were evolved for.
        classes: class each image was evolved for, int64 (N,).
        class_names: its name.
        images: the images as they were evolved, uint8 (N, channels, height, width).
        source_confidence: the source's confidence in that class, float32 (N,), or None.
        source_top1: the source's most likely class as each target numbers it, -1 where it has none, int64 (T, N); or None.
        target_classes: the class each image was evolved for as each target numbers it, int64 (T, N).
        confidence: each target's confidence in that class, float32 (T, N).
        top1: each target's most likely class, int64 (T, N).
        top1_names: its name.
        top1_confidence: each target's confidence in its most likely class, float32 (T, N).
    """

    name: str
    source: str | None
    targets: tuple[str, ...]
    models: tuple[str, ...]
    weights: tuple[str | None, ...]
    itself: tuple[bool, ...]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    images: NDArray[np.uint8]
    source_confidence: NDArray[np.float32] | None
    source_top1: NDArray[np.int64] | None
    target_classes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    top1: NDArray[np.int64]
    top1_names: tuple[tuple[str, ...], ...]
    top1_confidence: NDArray[np.float32]

    @property
    def same_class(self) -> NDArray[np.bool_]:
        """Whether the class an image was evolved for is the target's most likely one, shape (T, N)."""
        return np.equal(self.top1, self.target_classes)

    def figures(self, target: int, chosen: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """How well the images fool one target, as fractions of 1; of the `chosen` images only, if given.

        `agreement` is the fraction of images with the same most likely class as the source's, None if that is unknown.
        `confident` are the same figures for the images in whose class the source is at least 99 % confident.
        """
        picked = np.ones(len(self.classes), bool) if chosen is None else chosen
        if not picked.any():
            return {"images": 0}
        confidence = self.confidence[target][picked].astype(np.float64)
        agreement = (
            None if self.source_top1 is None else float((self.top1[target] == self.source_top1[target])[picked].mean())
        )
        return {
            "images": int(picked.sum()),
            "same_class_rate": float(self.same_class[target][picked].mean()),
            "mean_confidence": float(confidence.mean()),
            "median_confidence": float(np.median(confidence)),
            "over_99_rate": float((confidence >= 0.99).mean()),
            "agreement": agreement,
        }

    def summary(self) -> dict[str, Any]:
        """Everything but the images, ready for JSON."""
        source = self.source_confidence
        confident = None if source is None else source >= 0.99
        return {
            "run": self.name,
            "model": self.source,
            "images": len(self.classes),
            "classes": len(set(self.classes.tolist())),
            "source_confidence": None
            if source is None
            else {"mean": float(source.mean(dtype=np.float64)), "median": float(np.median(source))},
            "targets": [
                {
                    "name": name,
                    "model": self.models[target],
                    "weights": self.weights[target],
                    "itself": self.itself[target],
                    **self.figures(target),
                    "confident": None if confident is None else self.figures(target, confident),
                }
                for target, name in enumerate(self.targets)
            ],
            "per_class": [self._class_summary(class_index) for class_index in np.unique(self.classes).tolist()],
        }

    def _class_summary(self, class_index: int) -> dict[str, Any]:
        chosen = self.classes == class_index
        first = int(np.flatnonzero(chosen)[0])
        source = self.source_confidence
        rows = []
        for target, name in enumerate(self.targets):
            top = Counter(np.array(self.top1_names[target])[chosen].tolist()).most_common(1)[0][0]
            rows.append({"name": name, "top1": top, **self.figures(target, chosen)})
        return {
            "class": class_index,
            "class_name": self.class_names[first],
            "images": int(chosen.sum()),
            "source_confidence": None if source is None else float(source[chosen].mean(dtype=np.float64)),
            "targets": rows,
        }


@dataclass(frozen=True)
class TransferMatrix:
    """Several sets of images on the same classifiers: one `TransferResult` for each set."""

    results: tuple[TransferResult, ...]

    def matrix(self, figure: str) -> NDArray[np.float64]:
        """One of `TransferResult.figures` for every set and classifier, (sets, classifiers); NaN where unknown."""
        rows = [[result.figures(target)[figure] for target in range(len(result.targets))] for result in self.results]
        return np.array(rows, np.float64)

    def summary(self) -> dict[str, Any]:
        """The summary of every set, ready for JSON; of a single set, that set's own."""
        if len(self.results) == 1:
            return self.results[0].summary()
        return {
            "targets": list(self.results[0].targets),
            "same_class_rate": self.matrix("same_class_rate").tolist(),
            "runs": [result.summary() for result in self.results],
        }

    def write(self, out: Path | str) -> None:
        """Writes `transfer.json`, `transfer.html` and `transfer.png` into a folder, which is made if need be.

        Raises:
            RunError: a file cannot be written.
        """
        from neatfool.experiments.transfer.page import write_transfer

        write_transfer(self, Path(out))

    def _repr_html_(self) -> str:
        targets = self.results[0].targets
        head = "".join(f"<th>{escape(name)}</th>" for name in targets)
        rows = [
            f"<tr><td>{escape(result.name)}</td>"
            + "".join(f"<td>{percent(result.figures(index)['same_class_rate'])}</td>" for index in range(len(targets)))
            + "</tr>"
            for result in self.results
        ]
        return f"<table><thead><tr><th>same class</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
