"""Looking into a finished or interrupted run; the classifier is not needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from neatfool.classifiers import find_class
from neatfool.encodings import CppnPopulation
from neatfool.errors import ModelError
from neatfool.runs import RunFolder
from neatfool.search.archive import Archive
from neatfool.search.run import load_search


def inspect_run(folder: RunFolder) -> dict[str, Any]:
    """Every elite of a run with its confidence, ready for JSON."""
    config, strategy, generation = load_search(folder)
    archive, names = strategy.archive, folder.manifest.class_names
    return {
        "run": str(folder.path),
        "model": folder.manifest.model,
        "encoding": config.encoding.name,
        "strategy": config.strategy.name,
        "seed": config.seed,
        "generation": generation,
        **archive.statistics(),
        "elites": [
            {
                "class": int(class_index),
                "class_name": names[class_index],
                "confidence": float(archive.confidence[cell]),
                "id": int(archive.ids[cell]),
                "generation": int(archive.generation[cell]),
            }
            for cell, class_index in enumerate(archive.classes)
        ],
    }


def inspect_elite(folder: RunFolder, class_name: str) -> dict[str, Any]:
    """Genome, confidence and lineage of one class's elite, ready for JSON.

    Raises:
        ModelError: no class, or several, are called so.
        RunError: the folder is damaged.
    """
    _, strategy, _ = load_search(folder)
    archive, names = strategy.archive, folder.manifest.class_names
    cell = _cell(folder, archive, class_name)
    held = archive.classes[archive.ids == archive.ids[cell]]
    lineage = strategy.lineage.ancestry(int(archive.ids[cell]))
    return {
        "run": str(folder.path),
        "class": int(archive.classes[cell]),
        "class_name": names[archive.classes[cell]],
        "confidence": float(archive.confidence[cell]),
        "id": int(archive.ids[cell]),
        "generation": int(archive.generation[cell]),
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


def draw_elite(folder: RunFolder, class_name: str, *, size: int | None = None) -> tuple[int, Image.Image]:
    """Draws one class's elite.

    Args:
        folder: the run.
        class_name: an index or (part of) a class name.
        size: shorter side in pixels; by default as evolved. A CPPN is drawn anew, other genomes are enlarged pixel by pixel.

    Returns:
        The class index and the picture.

    Raises:
        ModelError: no class, or several, are called so.
        RunError: the folder is damaged.
    """
    _, strategy, _ = load_search(folder)
    archive = strategy.archive
    cell = _cell(folder, archive, class_name)
    genome = archive.genomes.take(np.array([cell]))
    channels, height, width = genome.shape
    scale = (size or min(height, width)) / min(height, width)
    drawn = (round(height * scale), round(width * scale))
    redraw = isinstance(genome, CppnPopulation)
    out = np.empty((1, channels, *(drawn if redraw else (height, width))), np.uint8)
    genome.render(out)
    picture = Image.fromarray(out[0, 0] if channels == 1 else np.ascontiguousarray(out[0].transpose(1, 2, 0)))
    if not redraw:
        picture = picture.resize((drawn[1], drawn[0]), Image.Resampling.NEAREST)
    return int(archive.classes[cell]), picture


def _cell(folder: RunFolder, archive: Archive[Any], class_name: str) -> int:
    class_index = find_class(folder.manifest.class_names, class_name)
    cells = np.flatnonzero(archive.classes == class_index)
    if not len(cells):
        raise ModelError(
            f"The run {folder.path} evolved nothing for class {class_index}, {folder.manifest.class_names[class_index]}; "
            "`neatfool inspect` lists the classes it has."
        )
    return int(cells[0])
