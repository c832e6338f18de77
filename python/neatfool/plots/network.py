"""The graph of a CPPN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neatfool.encodings.nodes import node_pictures
from neatfool.errors import ConfigError
from neatfool.figures.graph import GraphLayout, genome_layout
from neatfool.figures.style import light, styled
from neatfool.plots.axes import axes_for
from neatfool.plots.sources import Source, search_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGEST_WEIGHT = 10.0
_LAYER, _NODE = 112, 84
_SIDE = 40
_INK = {"hidden": "c1", "output": "c3"}


def genome(source: Source, class_name: str | int, *, ax: Axes | None = None) -> Axes:
    """The network that draws a class's elite, from its inputs on the left to its outputs on the right.

    A line is a connection: blue with a positive weight, orange with a negative one, the wider the larger; weights lie in
    [-10, 10]. In each node is what it draws, as `node_pictures` says, with its activation function below; inputs are dots.
    Nodes and connections on which the picture does not depend are faint, and such connections are dashed.

    Args:
        source: a run of CPPNs made by `evolve`.
        class_name: an index or (part of) a class name.
        ax: where to draw; new axes by default.

    Returns:
        The axes. Of their two collections of lines the first has the connections that count, the second the others. Each node
        but the inputs is an `AnnotationBbox` with its picture, in the order of the genome.

    Raises:
        ConfigError: the run's genomes are no CPPNs.
        ModelError: there is no such class, or several.
        RunError: the folder is damaged, or another command made it.
    """
    from matplotlib.colors import Normalize
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    archive = search_of(source).archive
    cell = archive.cell(class_name)
    described: dict[str, Any] = archive.genomes.describe(cell)
    if described.get("format") != "neatfool-cppn":
        raise ConfigError("Only CPPNs are networks that can be drawn; this run has genomes of another encoding.")
    layout = genome_layout(described)
    drawn = node_pictures(archive.genomes, cell, 2 * _SIDE)
    pictures = dict(zip(drawn["ids"].tolist(), drawn["pictures"], strict=True))
    ax = axes_for(ax, max(_LAYER * layout.layers, 360), max(_NODE * layout.widest, 240))
    with styled():
        _draw_edges(ax, layout)
        for node in layout.nodes.values():
            faint = 1 if node.live else 0.35
            if node.kind == "input":
                ax.plot(node.x, node.y, "o", markersize=14, color=light("c0"), alpha=faint, markeredgewidth=0)
            else:
                picture = OffsetImage(pictures[node.id], zoom=0.5, cmap="gray", norm=Normalize(0, 255), alpha=faint)
                frame = {"edgecolor": light(_INK[node.kind]), "linewidth": 2, "alpha": faint}
                ax.add_artist(AnnotationBbox(picture, (node.x, node.y), pad=0.05, bboxprops=frame))
            ax.annotate(
                node.name,
                (node.x, node.y),
                (0, -15 if node.kind == "input" else -_SIDE / 2 - 9),
                textcoords="offset points",
                size=11,
                color=light("text"),
                alpha=faint,
                ha="center",
                va="center",
            )
        ax.set(xlim=(-0.08, 1.08), ylim=(1.06, -0.02), xticks=[], yticks=[])
    return ax


def _draw_edges(ax: Axes, layout: GraphLayout) -> None:
    from matplotlib.collections import LineCollection

    for live in (True, False):
        edges = [one for one in layout.edges if one.live == live]
        ends = [(layout.nodes[one.source], layout.nodes[one.target]) for one in edges]
        ax.add_collection(
            LineCollection(
                [[(start.x, start.y), (end.x, end.y)] for start, end in ends],
                colors=[light("c1" if one.weight >= 0 else "c2") for one in edges],
                linewidths=[0.6 + 3.4 * abs(one.weight) / _LARGEST_WEIGHT for one in edges],
                linestyles="-" if live else (0, (3, 3)),
                alpha=0.75 if live else 0.3,
                zorder=1,
            )
        )
