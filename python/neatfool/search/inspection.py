"""Looking into a finished or interrupted run; the classifier is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neatfool.runs import Judgement, RunFolder
from neatfool.search.loading import load_search


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
