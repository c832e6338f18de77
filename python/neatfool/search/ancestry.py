"""The ancestors of a run's elites, made again: a run keeps their births alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool import _core
from neatfool.encodings import Cppn, Direct, Population
from neatfool.errors import ConfigError, RunError
from neatfool.runs import RunFolder
from neatfool.search.lineage import Birth
from neatfool.search.loading import load_search
from neatfool.search.search import Search
from neatfool.search.strategies import MapElites, PatternElites, draw_operators

_LIMIT = 4 * 1024**3


class Ancestors:
    """The lines of first parents of a run's elites, with their genomes. `replay_ancestors` makes it.

    Attributes:
        classes: class indices of the elites.
        shape: (channels, height, width) of the images that the genomes draw.
    """

    def __init__(
        self,
        lines: Mapping[int, Sequence[Birth]],
        shape: tuple[int, int, int],
        make: Callable[[Sequence[Birth]], Population],
    ) -> None:
        self.classes = tuple(lines)
        self.shape = shape
        self._lines = lines
        self._make = make

    def line(self, class_index: int) -> list[Birth]:
        """From an individual of generation 0 to the elite of a class, each the first parent of the next.

        Raises:
            ConfigError: the class is none of those that were asked for.
        """
        if class_index not in self._lines:
            raise ConfigError(f"The ancestors of class {class_index} were not made again; name it in classes=.")
        return list(self._lines[class_index])

    def genomes(self, line: Sequence[Birth]) -> Population:
        """The genomes of a whole `line`, in its order.

        The historical markings of CPPNs agree within the line, not with those of the run.
        """
        return self._make(line)


def replay_ancestors(folder: RunFolder, classes: Sequence[int] | None = None) -> Ancestors:
    """Makes the ancestors of elites again, from the random start on: nobody judges them, so it takes seconds.

    They are exactly those of the run, but for CPPNs of the map-elites strategy: where several lines of descent lead to the very
    elite, because siblings had the same mutation, one of them is made.

    Args:
        folder: a run of the pattern-elites or map-elites strategy.
        classes: class indices of the elites; all that the run has if None.

    Returns:
        Their lines and genomes.

    Raises:
        ModelError: the run has no elite for a class.
        RunError: the folder is damaged, or its strategy or encoding is one whose individuals do not follow from their parents.
    """
    config, search, _ = load_search(folder)
    archive = search.archive
    wanted = archive.classes.tolist() if classes is None else list(dict.fromkeys(classes))
    cells = {class_index: archive.cell(class_index) for class_index in wanted}
    if not isinstance(search.strategy, MapElites | PatternElites):
        raise RunError(
            f"The ancestors in {folder.path} cannot be made again: with the {config.strategy.name} strategy they do not follow "
            "from the births that a run keeps; with pattern-elites and map-elites they do."
        )
    lines = {index: search.lineage.ancestry(int(archive.ids[cell]))[::-1] for index, cell in cells.items()}
    for line in lines.values():
        _check(search, line, folder)
    if isinstance(search.encoding, Cppn) and not _has_operators(search):
        make = _mutants(search, search.encoding, lines, cells, folder)
    elif isinstance(search.encoding, Cppn | Direct):
        make = _families(search, search.encoding, lines, folder)
    else:
        raise RunError(
            f"The ancestors in {folder.path} cannot be made again: that is possible with the cppn and direct encodings, not "
            f"with {config.encoding.name}."
        )
    ancestors = Ancestors(lines, search.image_shape, make)
    _check_pictures(search, ancestors, cells, folder)
    return ancestors


def _child(search: Search, birth: Birth) -> int:
    """The number of an individual among those of its generation."""
    return birth.id - (search.start + (birth.generation - 1) * search.batch if birth.generation else 0)


def _cells(search: Search, birth: Birth) -> list[int]:
    """The cells that both parents of an individual were drawn from."""
    cells = _core.draw_parents(
        1, 2, len(search.cells), seed=search.seed, generation=birth.generation, first_index=_child(search, birth)
    )
    return [int(cell) for cell in cells[0]]


def _check(search: Search, line: Sequence[Birth], folder: RunFolder) -> None:
    """Raises RunError where births contradict what seed and settings make of them."""
    for birth in line:
        size = search.batch if birth.generation else search.start
        sound = 0 <= _child(search, birth) < size and bool(birth.parents) == bool(birth.generation)
        # Who breeds by operators is drawn by confidences of the time, which nobody keeps.
        uniform = birth.parents and not _has_operators(search)
        if not sound or (uniform and search.cells[_cells(search, birth)[0]] != birth.class_index):
            raise _damaged(folder)


def _has_operators(search: Search) -> bool:
    return isinstance(search.strategy, PatternElites) and bool(search.archive.genomes.operators)


def _damaged(folder: RunFolder) -> RunError:
    return RunError(
        f"The ancestors in {folder.path} cannot be made again: its lineage does not lead to its elites with the seed and the "
        "settings of its config.toml; one of these files was changed."
    )


def _mutants(
    search: Search,
    encoding: Cppn,
    lines: Mapping[int, Sequence[Birth]],
    cells: Mapping[int, int],
    folder: RunFolder,
) -> Callable[[Sequence[Birth]], Population]:
    """CPPNs, which have one parent each: every line by itself."""
    start = encoding.start(search.start, shape=search.image_shape, seed=search.seed)
    marks: dict[int, dict[int, bool]] = {}
    known: dict[int, bool] = {}

    def rows(line: Sequence[Birth], marked: Mapping[int, bool]) -> NDArray[np.uint32]:
        values = [(birth.generation, _child(search, birth), marked.get(birth.id, False)) for birth in line[1:]]
        return np.array(values, np.uint32).reshape(-1, 3)

    for class_index, line in lines.items():
        if line[-1].id in marks:
            continue
        last = search.archive.genomes.take(np.array([cells[class_index]]))
        # What led to one elite is the first guess for its relatives.
        found = start.find_descent(line[0].id, rows(line, known), last)
        if found is None:
            raise _damaged(folder)
        marks[line[-1].id] = dict(zip((birth.id for birth in line[1:]), found.tolist(), strict=True))
        known |= marks[line[-1].id]
    return lambda line: start.descend(line[0].id, rows(line, marks[line[-1].id]))


def _families(
    search: Search, encoding: Cppn | Direct, lines: Mapping[int, Sequence[Birth]], folder: RunFolder
) -> Callable[[Sequence[Birth]], Population]:
    """Individuals that may have two parents: all ancestors, one after the other."""
    kept = {birth.id for line in lines.values() for birth in line}
    if isinstance(encoding, Direct) and (size := 2 * len(kept) * int(np.prod(search.image_shape))) > _LIMIT:
        raise RunError(
            f"The {len(kept):,} ancestors in {folder.path} take {size:,} bytes; ask for fewer classes at a time."
        )
    start = encoding.start(search.start, shape=search.image_shape, seed=search.seed)
    births: dict[int, Birth] = {}
    waiting = list(kept)
    while waiting:
        individual = waiting.pop()
        if individual not in births:
            births[individual] = search.lineage.birth(individual)
            waiting.extend(births[individual].parents)
    family = [births[individual] for individual in sorted(births)]
    _check(search, family, folder)
    last_child = {parent: birth.id for birth in family for parent in birth.parents}
    genomes: dict[int, Any] = {}
    for birth in family:
        if not birth.parents:
            genomes[birth.id] = start.take(np.array([birth.id]))
            continue
        first, other = birth.parents[0], birth.parents[-1]
        genomes[birth.id] = _born(search, birth, genomes[first], genomes[other])
        for parent in {first, other} - kept:
            if last_child[parent] == birth.id:
                del genomes[parent]

    def of_line(line: Sequence[Birth]) -> Population:
        first, *others = (genomes[birth.id] for birth in line)
        joined: Population = first.concatenate(*others)
        return joined

    return of_line


def _born(search: Search, birth: Birth, first: Any, other: Any) -> Any:
    """The child of two parents, batches of one genome each; makes it the way it was made."""
    child, parents = _child(search, birth), first.concatenate(other)
    if _has_operators(search):
        operators = draw_operators(parents, 1, seed=search.seed, generation=birth.generation, first=child)
        return parents.breed(np.array([[0, 1, 1]], np.uint32), operators, generation=birth.generation, first=child)
    # Two cells may hold one individual: then it is crossed with itself, which draws other numbers than a copy.
    one, two = _cells(search, birth)
    return parents.vary(np.array([[0, int(one != two), 1]], np.uint32), generation=birth.generation, first=child)


def _check_pictures(search: Search, ancestors: Ancestors, cells: Mapping[int, int], folder: RunFolder) -> None:
    """Raises RunError unless every elite made again draws the bytes of the stored one."""
    stored, made = (np.empty((1, *search.image_shape), np.uint8) for _ in range(2))
    for class_index, cell in cells.items():
        line = ancestors.line(class_index)
        ancestors.genomes(line).render(made, first=len(line) - 1)
        search.archive.genomes.render(stored, first=cell)
        if not np.array_equal(made, stored):
            raise _damaged(folder)
