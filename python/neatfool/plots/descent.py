"""Where elites come from: whose cells their ancestors lived in, and the tree of their descent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neatfool.figures.charts import WIDTH, count_ticks
from neatfool.figures.sheet import fitting
from neatfool.figures.style import SERIES, light, styled
from neatfool.plots.axes import axes_for, label
from neatfool.plots.sources import Source, search_of
from neatfool.search import Search

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMES = 40
"""Up to this many classes each has its name; beyond, some have their numbers."""
_MOST_NUMBERED_CELLS = 20
_NAME_ROOM = 150.0


def takeovers(source: Source, *, ax: Axes | None = None) -> Axes:
    """Which class's cell the ancestors of each elite lived in (as in Nguyen, Yosinski & Clune 2015b, on goal switching).

    Each step of the line of first parents from generation 0 to an elite counts once, for the class that the parent was drawn
    from. What lies off the diagonal was found for another class first.

    Args:
        source: a run made by `evolve`.
        ax: where to draw; new axes by default.

    Returns:
        The axes with one image, whose array, int64 (K, K), has at [i, j] the number of ancestors that the elite of the i-th
        of the run's K classes has in the cell of the j-th.

    Raises:
        RunError: the folder is damaged, or another command made it.
    """
    from matplotlib.colors import LinearSegmentedColormap

    search = search_of(source)
    counts = _ancestor_cells(search)
    classes = search.archive.classes
    side = float(np.clip(34 * len(classes), 320, 1000))
    ax = axes_for(ax, side + 170, side + 60)
    with styled():
        ink = light("c1")
        shades = LinearSegmentedColormap.from_list("takeovers", [(ink, 0.03), (ink, 0.85)])
        ax.imshow(counts, cmap=shades, vmin=0, vmax=max(int(counts.max()), 1), interpolation="none", aspect="equal")
        places = _places(len(classes))
        names = [search.archive.class_names[index] for index in classes]
        named = len(classes) <= _MOST_NAMES
        ax.set_xticks(places, [str(classes[place]) for place in places])
        ax.set_yticks(
            places, [_row_name(names[place], classes[place]) if named else str(classes[place]) for place in places]
        )
        if len(classes) <= _MOST_NUMBERED_CELLS:
            for (row, column), count in np.ndenumerate(counts):
                if count:
                    ax.text(column, row, str(count), size=11, color=light("text"), ha="center", va="center")
    label(ax, x="cell of which class an ancestor lived in", y="evolved for")
    return ax


def lineage(source: Source, class_name: str | int | None = None, *, ax: Axes | None = None) -> Axes:
    """The tree of descent of a class's elite, or of all elites, over the generations.

    Of one class every ancestor is a dot, at the height of the class in whose cell it lived. Of all classes every elite is the
    end of a line; lines meet in common ancestors, and those with the same founder in generation 0 have one colour (of more
    than eight families the largest have colours of their own). Lines follow first parents.

    Args:
        source: a run made by `evolve`.
        class_name: an index or (part of) a class name; None for all elites.
        ax: where to draw; new axes by default.

    Returns:
        The axes. Horizontally they count generations. Of one class the first line goes through every ancestor and the elite; of
        all there is a collection of lines, for every birth and every elite one.

    Raises:
        ModelError: there is no such class, or several.
        RunError: the folder is damaged, or another command made it.
    """
    search = search_of(source)
    return _draw_tree(search, ax) if class_name is None else _draw_line(search, class_name, ax)


def _ancestor_cells(search: Search) -> NDArray[np.int64]:
    archive = search.archive
    cell_of = {int(index): cell for cell, index in enumerate(archive.classes)}
    counts = np.zeros((len(archive), len(archive)), np.int64)
    for cell, individual in enumerate(archive.ids.tolist()):
        for birth in search.lineage.ancestry(individual):
            if birth.class_index is not None and birth.class_index in cell_of:
                counts[cell, cell_of[birth.class_index]] += 1
    return counts


def _draw_line(search: Search, class_name: str | int, ax: Axes | None) -> Axes:
    archive = search.archive
    cell = archive.cell(class_name)
    births = search.lineage.ancestry(int(archive.ids[cell]))  # the elite first
    # A birth says where its parent lived; the elite lives in its own cell.
    lived = [int(archive.classes[cell]), *(one.class_index for one in births if one.class_index is not None)]
    generations = [one.generation for one in births][::-1]
    held = lived[: len(births)][::-1]
    rows = {index: row for row, index in enumerate(dict.fromkeys(held))}
    ax = axes_for(ax, WIDTH, 90 + 26 * len(rows))
    y = [rows[index] for index in held]
    with styled():
        ax.hlines(range(len(rows)), 0, max(generations[-1], 1), colors=light("rule"), linewidth=1)
        ax.plot(generations, y, color=light("c1"), linewidth=1.5, drawstyle="steps-post", marker="o", markersize=5)
        ax.plot(generations[-1:], y[-1:], "o", color=light("c2"), markersize=10)
        ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(-0.01 * generations[-1], 1.01 * max(generations[-1], 1)))
        ax.set_yticks(range(len(rows)), [_row_name(archive.class_names[index], index) for index in rows])
        _generation_ticks(ax, generations[-1])
    label(ax, x="generations", y="lived in the cell of")
    return ax


def _draw_tree(search: Search, ax: Axes | None) -> Axes:
    from matplotlib.collections import LineCollection

    archive, end = search.archive, search.generation
    parent, born = _first_parents(search)
    order = _leaf_order(archive.ids.tolist(), parent)
    heights = _heights(archive.ids[order].tolist(), parent)
    families = [_founder(individual, parent) for individual in archive.ids.tolist()]
    ranked = [family for family, _ in Counter(families).most_common(len(SERIES))]
    colours = {family: light(SERIES[number]) for number, family in enumerate(ranked)}
    lines, tints = [], []
    for individual, y in heights.items():
        tint = colours.get(_founder(individual, parent), light("c0"))
        mother = parent[individual]
        if mother >= 0:  # from the parent along, then up or down
            lines.append([(born[mother], heights[mother]), (born[mother], y), (born[individual], y)])
            tints.append(tint)
    for row, cell in enumerate(order):  # elites live to this day
        individual = int(archive.ids[cell])
        y = heights[individual]
        lines.append([(born[individual], y), (born[individual], row), (end, row)])
        tints.append(colours.get(families[cell], light("c0")))
    room = float(np.clip(18 * len(order), 160, 1400))
    ax = axes_for(ax, WIDTH, room + 60)
    with styled():
        ax.add_collection(LineCollection(lines, colors=tints, linewidths=1.4 if len(order) <= 200 else 0.6))
        ax.set(xlim=(-0.01 * end, max(1.01 * end, 1)), ylim=(len(order) - 0.4, -0.6))
        places = _places(len(order))
        named = len(order) <= _MOST_NAMES
        ax.yaxis.tick_right()
        ax.set_yticks(
            places,
            [_short(archive.class_names[index]) if named else str(index) for index in archive.classes[order][places]],
        )
        _generation_ticks(ax, end)
        ax.tick_params(length=0, labelsize=11, labelcolor=light("muted"))
    label(ax, x="generations")
    return ax


def _first_parents(search: Search) -> tuple[dict[int, int], dict[int, int]]:
    """The first parent (-1 for none) and the generation of every ancestor of an elite, itself included."""
    parent: dict[int, int] = {}
    born: dict[int, int] = {}
    for individual in search.archive.ids.tolist():
        while individual >= 0 and individual not in parent:
            birth = search.lineage.birth(individual)
            parent[individual] = birth.parents[0] if birth.parents else -1
            born[individual] = birth.generation
            individual = parent[individual]
    return parent, born


def _leaf_order(leaves: Sequence[int], parent: dict[int, int]) -> NDArray[np.int64]:
    """Positions of the leaves such that relatives are together: by their lines, oldest ancestor first."""
    lines: list[list[int]] = []
    for leaf in leaves:
        line = [leaf]
        while parent[line[-1]] >= 0:
            line.append(parent[line[-1]])
        lines.append(line[::-1])
    return np.array(sorted(range(len(leaves)), key=lambda place: (lines[place], place)), np.int64)


def _heights(ordered: Sequence[int], parent: dict[int, int]) -> dict[int, float]:
    """The height of every individual: the mean of its children's and of the rows that it holds itself as a leaf."""
    below: dict[int, list[float]] = {individual: [] for individual in parent}
    for row, individual in enumerate(ordered):
        below[individual].append(float(row))
    heights: dict[int, float] = {}
    for individual in sorted(parent, reverse=True):  # children are younger, so they come first
        heights[individual] = float(np.mean(below[individual]))
        if parent[individual] >= 0:
            below[parent[individual]].append(heights[individual])
    return heights


def _founder(individual: int, parent: dict[int, int]) -> int:
    while parent[individual] >= 0:
        individual = parent[individual]
    return individual


def _places(count: int) -> list[int]:
    """Which of so many rows have a tick."""
    return list(range(0, count, 1 if count <= _MOST_NAMES else -(-count // 10)))


def _generation_ticks(ax: Axes, end: int) -> None:
    ticks = count_ticks(max(end, 1))
    ax.set_xticks([place for place, _ in ticks], [text for _, text in ticks])


def _row_name(name: str, index: int) -> str:
    return name if name == str(index) else f"{_short(name)}  {index}"


def _short(name: str) -> str:
    return fitting(name, 11, _NAME_ROOM)[0]
