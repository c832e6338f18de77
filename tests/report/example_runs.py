"""Small deterministic runs to report on: coloured waves in place of evolved images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neatfool.runs import RunFolder


def pattern(rng: np.random.Generator, shape: tuple[int, int, int], *, noise: bool = False) -> npt.NDArray[np.uint8]:
    """A uint8 image of the shape (channels, height, width)."""
    if noise:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    channels, height, width = shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    planes = []
    wave = np.zeros_like(x)
    for _ in range(channels):
        a, b, c, d = rng.normal(0, 6, 4)
        wave = np.sin(a * x + b * y + c * np.hypot(x, y) + d + 2 * wave) * np.exp(-((rng.normal() * x - y) ** 2))
        planes.append(np.abs(wave) * 255)
    return np.stack(planes).astype(np.uint8)


def make_run(
    path: Path,
    *,
    class_names: Sequence[str],
    shape: tuple[int, int, int] = (1, 28, 28),
    generations: int = 20,
    seed: int = 0,
    noise: float = 0,
    images: bool = True,
    **manifest: Any,
) -> RunFolder:
    """A finished run with an image for every class; a fraction ``noise`` of the images is white noise."""
    classes = len(class_names)
    rng = np.random.default_rng(seed)
    details = {
        "command": "evolve",
        "model": "lenet-mnist",
        "class_names": class_names,
        "image_shape": shape,
        "weights_hash": "sha256:9f2c4e7d",
        "preprocessing": {"mean": [0.0], "std": [1.0], "scale": 1 / 256},
        "versions": {"neatfool": "1.0.0", "python": "3.11.9", "torch": "2.4.0", "numpy": "2.0.0"},
        "platform": "Linux x86_64",
        "created": "2025-01-01T00:00:00+00:00",
    }
    config = {
        "model": "lenet-mnist",
        "encoding": {"name": "cppn", "coordinates": "pixel"},
        "strategy": "map-elites",
        "seed": seed,
        "generations": generations,
        "batch": 200,
    }
    run = RunFolder.create(path, config=config, manifest=details | manifest)
    speed = rng.gamma(2, 6 / max(generations, 1), classes)
    for generation in range(generations + 1):
        confidence = (1 - np.exp(-speed * (generation + 0.2))).astype(np.float32)
        run.append_metrics(
            {
                "generation": generation,
                "evaluations": 200 * (generation + 1),
                "median_confidence": np.median(confidence),
                "mean_confidence": confidence.mean(),
                "classes_over_99": int((confidence >= 0.99).sum()),
            }
        )
    run.save_checkpoint(
        {
            "archive.classes": np.arange(classes),
            "archive.confidence": confidence,
            "archive.id": np.arange(classes),
            "archive.generation": rng.integers(0, generations + 1, classes),
        },
        {"generation": str(generations)},
    )
    if images:
        run.write_images({index: pattern(rng, shape, noise=index < noise * classes) for index in range(classes)})
    return run
