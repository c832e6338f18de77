"""What an export came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neatfool.experiments.export.dataset import DataSet
from neatfool.figures.notebook import gallery_html
from neatfool.shared.pixels import for_looking
from neatfool.shared.text import percent

_MOST_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """A data set that was written.

    Attributes:
        out: its folder.
        form: "imagefolder", "npz" or "hf".
        data: the images.
        left_out: number of images of the runs that the models do not believe enough.
        notes: a sentence on each thing that is not as it was asked for.
    """

    out: Path
    form: str
    data: DataSet
    left_out: int
    notes: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """Everything that is not an image, ready for JSON."""
        data = self.data
        confidence = data.confidence.astype(np.float64)
        sizes = {name: len(images) for name, images in data.splits().items()}
        return {
            "out": str(self.out),
            "as": self.form,
            "images": len(data),
            "train": sizes.get("train", 0),
            "validation": sizes.get("validation", 0),
            "left_out": self.left_out,
            "classes": len(np.unique(data.labels)),
            "groups": int(data.groups.max()) + 1,
            "largest_group": int(np.bincount(data.groups).max()),
            "mean_confidence": float(confidence.mean()),
            "min_confidence": float(confidence.min()),
            "runs": [
                {
                    "run": run.name,
                    "command": run.command,
                    "model": run.model,
                    "weights_hash": run.weights_hash,
                    "images": len(rows),
                }
                for run, rows in zip(data.runs, data.chosen, strict=True)
            ],
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        shown = np.arange(min(len(self.data), _MOST_SHOWN))
        pictures = [for_looking(pixels[None])[0] for _, pixels in self.data.pictures(shown)]
        confidence = self.data.confidence
        captions = [
            f"{self.data.label_names[self.data.labels[image]]}, {percent(float(confidence[image]))}" for image in shown
        ]
        return gallery_html(pictures, captions)
