"""Elites as an archive of pyribs, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neatfool.ecosystem.solutions import as_genomes, as_solutions, import_ribs
from neatfool.encodings import Population
from neatfool.errors import ConfigError
from neatfool.search import Archive, Run

if TYPE_CHECKING:
    from ribs.archives import CategoricalArchive


def to_ribs(source: Run | Archive, *, seed: int | None = None) -> CategoricalArchive:
    """The elites as a `CategoricalArchive` of pyribs: one measure, the class, whose categories are the names of all classes.

    Solutions are rows of numbers where genomes are such (ArrayEncoding, Direct), and JSON texts for CPPNs. The objective is
    what elites are chosen by; the further fields are `confidence`, `id` and `generation`.

    Args:
        source: a run or its archive.
        seed: of what the pyribs archive draws.

    Raises:
        ConfigError: pyribs is not installed.
    """
    archive = source.archive if isinstance(source, Run) else source
    solutions = as_solutions(archive.genomes)
    store: CategoricalArchive = import_ribs().archives.CategoricalArchive(
        solution_dim=solutions.shape[1] if solutions.ndim == 2 else (),
        categories=[list(archive.class_names)],
        solution_dtype=solutions.dtype,
        objective_dtype=np.float32,
        extra_fields={"confidence": ((), np.float32), "id": ((), np.int64), "generation": ((), np.int64)},
        seed=seed,
    )
    store.add(
        solutions,
        archive.fitness,
        np.array([[archive.class_names[index]] for index in archive.classes], object),
        confidence=archive.confidence,
        id=archive.ids,
        generation=archive.generation,
    )
    return store


def from_ribs(store: CategoricalArchive, genomes: Population) -> Archive:
    """The elites of a pyribs archive whose one measure is the class.

    Args:
        store: such as `to_ribs` makes, or one that a scheduler with a `GenomeEmitter` filled. Without the field `confidence`
            that is its objective; without `id`, elites are numbered.
        genomes: any batch of the same encoding and image shape: `run.archive.genomes`, or a `GenomeEmitter`'s.

    Raises:
        ConfigError: the archive is empty, has other measures, or its solutions are no such genomes.
    """
    categories = getattr(store, "categories", [])
    if len(categories) != 1 or not len(store):
        raise ConfigError("Elites are read from a CategoricalArchive of one measure, the class, that is not empty.")
    data = store.data(return_type="dict")
    names = [str(name) for name in categories[0]]
    classes = np.array([names.index(str(name)) for name in data["measures"][:, 0]], np.int64)
    order = np.argsort(classes)
    count, objective = len(order), data["objective"].astype(np.float32)
    return Archive(
        as_genomes(genomes, data["solution"][order]),
        classes=classes[order],
        class_names=names,
        confidence=data.get("confidence", objective).astype(np.float32)[order],
        fitness=objective[order],
        ids=data.get("id", np.arange(count))[order].astype(np.int64),
        generation=data.get("generation", np.zeros(count))[order].astype(np.int64),
    )
