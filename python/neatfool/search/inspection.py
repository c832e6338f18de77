"""Looking into a finished or interrupted run; the classifier is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from neatfool.errors import ConfigError
from neatfool.runs import Judgement, RunFolder
from neatfool.search.loading import load_search
from neatfool.shared.pixels import for_looking

_LARGEST_SIDE = 16384


def inspect_run(folder: RunFolder) -> dict[str, Any]:
    """Every elite of a run with its confidence and what it is judged to be, ready for JSON."""
    config, search, _ = load_search(folder)
    archive, names = search.archive, folder.manifest.class_names
    judgement = folder.judgement()
    return {
        "run": str(folder.path),
        "model": folder.manifest.model,
        "encoding": config.encoding.name,
        "strategy": config.strategy.name,
        "seed": config.seed,
        "generation": search.generation,
        **archive.statistics(),
        "elites": [
            {
                "class": int(class_index),
                "class_name": names[class_index],
                "confidence": float(archive.confidence[cell]),
                "id": int(archive.ids[cell]),
                "generation": int(archive.generation[cell]),
                "judged": _judged(judgement, int(class_index), names)[:1],
            }
            for cell, class_index in enumerate(archive.classes)
        ],
    }


def inspect_elite(folder: RunFolder, class_name: str) -> dict[str, Any]:
    """Genome, confidence, what it is judged to be, and lineage of one class's elite, ready for JSON.

    Raises:
        ModelError: no class, or several, are called so.
        RunError: the folder is damaged.
    """
    _, search, _ = load_search(folder)
    archive, names = search.archive, folder.manifest.class_names
    cell = archive.cell(class_name)
    held = archive.classes[archive.ids == archive.ids[cell]]
    lineage = search.lineage.ancestry(int(archive.ids[cell]))
    return {
        "run": str(folder.path),
        "class": int(archive.classes[cell]),
        "class_name": names[archive.classes[cell]],
        "confidence": float(archive.confidence[cell]),
        "id": int(archive.ids[cell]),
        "generation": int(archive.generation[cell]),
        "judged": _judged(folder.judgement(), int(archive.classes[cell]), names),
        "also_holds": [int(other) for other in held if other != archive.classes[cell]],
        "genome": archive.genomes.describe(cell),
        "lineage": [
            {
                "id": birth.id,
                "parents": list(birth.parents),
                "generation": birth.generation,
                "class": birth.class_index,
                "class_name": None if birth.class_index is None else names[birth.class_index],
            }
            for birth in lineage
        ],
    }


def _judged(judgement: Judgement | None, class_index: int, names: Sequence[str]) -> list[dict[str, Any]]:
    """The classes that the judge is surest of in a class's elite, the surest first; none where a run does not say."""
    top = [] if judgement is None else judgement.top(class_index)
    return [{"class": index, "class_name": names[index], "confidence": sure} for index, sure in top]


def draw_elite(folder: RunFolder, class_name: str, *, size: int | None = None) -> tuple[int, Image.Image]:
    """Draws one class's elite.

    Args:
        folder: the run.
        class_name: an index or (part of) a class name.
        size: shorter side in pixels; by default as evolved. A scalable genome, such as a CPPN, is drawn anew, others are
            enlarged pixel by pixel.

    Returns:
        The class index and the picture.

    Raises:
        ModelError: no class, or several, are called so.
        ConfigError: the picture would be too large.
        RunError: the folder is damaged.
    """
    _, search, _ = load_search(folder)
    archive = search.archive
    cell = archive.cell(class_name)
    genome = archive.genomes.take(np.array([cell], np.uint32))
    channels, height, width = genome.shape
    scale = (size or min(height, width)) / min(height, width)
    drawn = (round(height * scale), round(width * scale))
    if max(drawn) > _LARGEST_SIDE:
        raise ConfigError(
            f"A picture of {drawn[1]} x {drawn[0]} pixels is too large; choose a --size of at most "
            f"{_LARGEST_SIDE * min(height, width) // max(height, width)}."
        )
    out = np.empty((1, channels, *(drawn if genome.scalable else (height, width))), np.uint8)
    genome.render(out)
    picture = Image.fromarray(for_looking(out)[0])
    if not genome.scalable:
        picture = picture.resize((drawn[1], drawn[0]), Image.Resampling.NEAREST)
    return int(archive.classes[cell]), picture
