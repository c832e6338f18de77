"""What the charts hold, compared with the run."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import quadrants
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox

import neatfool as nf
from neatfool.experiments.audit.result import AttackResult, Audit
from neatfool.experiments.audit.settings import AuditConfig
from neatfool.experiments.transfer.measure import transfer_images
from neatfool.experiments.transfer.result import TransferMatrix
from neatfool.figures.graph import genome_layout
from neatfool.figures.style import light
from neatfool.models import ModelConfig
from neatfool.shared.text import percent

STRATEGIES = {"map-elites": nf.MapElites(), "neat": nf.Neat()}


@pytest.fixture(scope="module", params=STRATEGIES)
def run(request, tmp_path_factory) -> nf.Run:
    out = tmp_path_factory.mktemp("runs") / request.param
    return nf.evolve(
        quadrants.classifier(), strategy=STRATEGIES[request.param], generations=12, batch=24, seed=2, out=out
    )


@pytest.fixture(scope="module")
def direct(tmp_path_factory) -> nf.Run:
    out = tmp_path_factory.mktemp("runs") / "direct"
    return nf.evolve(quadrants.classifier(), encoding="direct", generations=3, batch=12, out=out)


def line(ax: Axes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The points of the line whose name begins so."""
    (found,) = (one for one in ax.lines if one.get_label().startswith(name))
    return found.get_xdata(), found.get_ydata()


def test_confidence_is_that_of_the_metrics(run):
    ax = nf.plots.confidence(run, show=["median", "mean", "lowest", "over_99"])
    rows = run.metrics
    for name, key, whole in (
        ("Median", "median_confidence", 1),
        ("Mean", "mean_confidence", 1),
        ("Lowest", "min_confidence", 1),
        ("Classes", "classes_over_99", 4),
    ):
        x, y = line(ax, name)
        assert x.tolist() == [row["evaluations"] for row in rows]
        assert y.tolist() == [row[key] / whole for row in rows]
    assert len(ax.lines) == 4


def test_the_band_holds_half_of_the_classes(run):
    (band,) = (one for one in nf.plots.confidence(run).collections if one.get_label() == "Half of the classes")
    points = band.get_paths()[0].vertices
    end = points[points[:, 0] == points[:, 0].max(), 1]
    quartiles = np.quantile(run.archive.confidence.astype(np.float64), (0.25, 0.75))
    assert (end.min(), end.max()) == (pytest.approx(quartiles[0]), pytest.approx(quartiles[1]))


def test_nines_are_equally_far_apart_on_the_logarithmic_axis(run):
    ax = nf.plots.confidence(run, scale="log")
    assert line(ax, "Median")[1][-1] == run.metrics[-1]["median_confidence"]
    heights = [ax.transData.transform((0, share))[1] for share in (0, 0.9, 0.99, 0.999)]
    assert np.diff(heights) == pytest.approx(np.full(3, heights[1] - heights[0]))
    assert [tick.get_text() for tick in ax.get_yticklabels()][:2] == ["0 %", "90 %"]


def test_certainty_ends_at_the_top_of_the_logarithmic_axis():
    def sure(images):
        return np.eye(2)[np.zeros(len(images), int)]

    judge = nf.FunctionJudge(sure, image_shape=(1, 8, 8), classes=["yes", "no"])
    ax = nf.plots.confidence(nf.evolve(judge, generations=2, batch=8), scale="log", show=["median", "quartiles"])
    top = ax.transData.transform((0, 1.0))[1]
    assert np.isfinite(top)
    assert ax.transData.transform((0, ax.get_ylim()[1]))[1] <= top


@pytest.mark.parametrize("plot", ["confidence", "takeovers", "lineage", "archive"])
def test_run_folder_and_path_give_the_same_picture(run, plot):
    def pixels(source) -> bytes:
        figure = getattr(nf.plots, plot)(source).figure
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return bytes(canvas.buffer_rgba())

    path = run.folder.path
    assert pixels(run) == pixels(nf.RunFolder.open(path)) == pixels(path) == pixels(str(path))


def test_a_comparison_has_a_line_for_every_run(run, direct):
    ax = nf.plots.comparison([run, direct.folder])
    assert [one.get_label().partition(":")[0] for one in ax.lines] == [run.folder.path.name, "direct"]
    assert line(ax, "direct")[1].tolist() == [row["median_confidence"] for row in direct.metrics]


def line_of_descent(run: nf.Run, individual: int) -> list[list[int]]:
    """Rows (id, first parent, second parent, generation, class) from an individual back to generation 0."""
    rows = {row[0]: row for row in run.lineage.array().tolist()}
    line = [rows[individual]]
    while line[-1][1] >= 0:
        line.append(rows[line[-1][1]])
    return line


def test_takeovers_count_where_ancestors_lived(run):
    ax = nf.plots.takeovers(run)
    (image,) = ax.images
    expected = np.zeros((4, 4), int)
    for cell, individual in enumerate(run.archive.ids.tolist()):
        for _, parent, _, _, lived in line_of_descent(run, individual):
            if parent >= 0:
                expected[cell, lived] += 1
    assert np.array_equal(image.get_array(), expected)
    assert expected.sum() > 0
    written = {(int(x), int(y)): int(text.get_text()) for text in ax.texts for x, y in [text.get_position()]}
    assert written == {(column, row): count for (row, column), count in np.ndenumerate(expected) if count}


def test_takeovers_of_some_classes_leave_the_others_out():
    run = nf.evolve(quadrants.classifier(), generations=8, batch=24, classes="3,1")
    (image,) = nf.plots.takeovers(run).images
    steps = [len(line_of_descent(run, individual)) - 1 for individual in run.archive.ids.tolist()]
    assert image.get_array().sum(1).tolist() == steps


def test_the_lineage_of_a_class_goes_through_every_ancestor(run):
    for cell, index in enumerate(run.archive.classes.tolist()):
        ax = nf.plots.lineage(run, index)
        births = line_of_descent(run, int(run.archive.ids[cell]))[::-1]
        x, y = ax.lines[0].get_data()
        assert list(x) == [row[3] for row in births]
        # Where an ancestor lived stands in the birth of its child; the elite lives in its own cell.
        lived = [*(row[4] for row in births[1:]), index]
        names = [tick.get_text() for tick in ax.get_yticklabels()]
        assert [int(names[row].rpartition(" ")[2]) for row in y] == lived


def test_the_tree_has_every_birth_and_every_elite(run):
    ax = nf.plots.lineage(run)
    ends = run.archive.ids.tolist()
    births = {row[0]: row for end in ends for row in line_of_descent(run, end)}
    segments = [np.asarray(one) for one in ax.collections[0].get_segments()]
    assert len(segments) == sum(row[1] >= 0 for row in births.values()) + 4
    spans = Counter((int(one[0, 0]), int(one[-1, 0])) for one in segments)
    expected = Counter((births[row[1]][3], row[3]) for row in births.values() if row[1] >= 0)
    expected += Counter((births[end][3], run.generation) for end in ends)
    assert spans == expected
    leaves = sorted(float(one[-1, 1]) for one in segments[-4:])
    assert leaves == [0, 1, 2, 3]
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert sorted(names) == sorted(quadrants.classifier().class_names)


def test_the_genome_has_every_connection_with_its_weight_and_sign(run):
    genome = run.archive[2].genome
    live, dead = nf.plots.genome(run, 2).collections
    layout = genome_layout(genome)
    assert len(live.get_segments()) + len(dead.get_segments()) == len(genome["connections"])
    counted = [edge for edge in layout.edges if edge.live]
    weights = [edge.weight for edge in counted]
    assert (
        np.argsort(live.get_linewidths(), kind="stable").tolist() == np.argsort(np.abs(weights), kind="stable").tolist()
    )
    inks = [to_rgb(light("c1" if weight >= 0 else "c2")) for weight in weights]
    assert [tuple(ink[:3]) for ink in live.get_colors()] == inks


def test_the_output_node_shows_the_picture(run):
    boxes = [one for one in nf.plots.genome(run, 2).artists if isinstance(one, AnnotationBbox)]
    assert len(boxes) == len(run.archive[2].genome["nodes"])
    shown = np.asarray(boxes[0].offsetbox.get_data())  # of a gray image the first node is the output
    large = np.empty((1, 1, *shown.shape), np.uint8)
    run.archive.genomes.take(np.array([run.archive.cell(2)])).render(large)
    # The gray of an image is the magnitude of the output, in [-1, 1]; that of a node is the output itself.
    assert np.abs(np.abs(2.0 * shown - 255) - large[0, 0]).max() <= 1


def test_a_graph_leads_to_the_right_and_no_nodes_share_a_place():
    population = nf.Cppn(initial_mutations=60).start(30, shape=(3, 8, 8), seed=1)
    for index in range(30):
        genome = population.describe(index)
        layout = genome_layout(genome)
        assert all(layout.nodes[edge.source].x < layout.nodes[edge.target].x for edge in layout.edges)
        assert len({(node.x, node.y) for node in layout.nodes.values()}) == len(genome["nodes"]) + 4
        assert [node.x for node in layout.nodes.values() if node.kind == "output"] == [1, 1, 1]
        assert [node.x for node in layout.nodes.values() if node.kind == "input"] == [0, 0, 0, 0]
        assert {(edge.source, edge.target, edge.weight) for edge in layout.edges} == {
            (one["source"], one["target"], one["weight"]) for one in genome["connections"]
        }


def test_nodes_that_draw_nothing_are_told_from_the_others():
    def connection(number, source, target, *, enabled=True):
        return {"innovation": number, "source": source, "target": target, "weight": -1.0, "enabled": enabled}

    genome = {
        "outputs": 1,
        "nodes": [
            {"id": 4, "activation": "sine"},
            {"id": 5, "activation": "linear"},
            {"id": 6, "activation": "gaussian"},
        ],
        "connections": [
            connection(0, 0, 5),
            connection(1, 5, 4),
            connection(2, 1, 6),
            connection(3, 6, 4, enabled=False),
        ],
    }
    layout = genome_layout(genome)
    assert [node for node, one in layout.nodes.items() if one.live] == [0, 4, 5]
    assert [edge.live for edge in layout.edges] == [True, True, False, False]


def test_the_archive_is_sorted_by_confidence(run):
    ax = nf.plots.archive(run)
    order = np.argsort(-run.archive.confidence, kind="stable")
    texts = [text.get_text() for text in ax.texts]
    assert texts[1::2] == [percent(float(run.archive.confidence[cell])) for cell in order]
    pictures = run.archive.images()
    for shown, cell in zip(ax.images, order, strict=True):
        assert np.array_equal(np.asarray(shown.get_array())[:, :, 0], pictures[cell])
    assert len(nf.plots.archive(run, most=3, columns=2).images) == 3


def test_an_ascent_has_an_archive_and_a_course(tmp_path):
    found = nf.ascend(quadrants.classifier(), out=tmp_path / "run")
    assert len(nf.plots.archive(tmp_path / "run").images) == 4
    x, _ = line(nf.plots.confidence(found.folder), "Median")
    assert x.tolist() == [row["evaluations"] for row in found.folder.metrics()]


def test_axes_that_are_given_are_drawn_on(run):
    figure = Figure()
    ax = figure.add_subplot()
    for plot in (nf.plots.confidence, nf.plots.takeovers, nf.plots.lineage, nf.plots.archive):
        assert plot(run, ax=ax) is ax
    assert nf.plots.genome(run, 0, ax=ax) is ax
    assert figure.axes == [ax]


def test_matplotlib_is_left_alone(run):
    code = (
        "import sys, neatfool as nf, matplotlib\n"
        "matplotlib.rcParams['font.size'] = 31\n"
        "before = dict(matplotlib.rcParams)\n"
        "for plot in (nf.plots.confidence, nf.plots.takeovers, nf.plots.lineage, nf.plots.archive):\n"
        "    plot(sys.argv[1])\n"
        "nf.plots.genome(sys.argv[1], 0)\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "from matplotlib._pylab_helpers import Gcf\n"
        "assert not Gcf.figs\n"  # figures that pyplot would keep
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(run.folder.path)], check=True)


def test_wrong_wishes_are_sentences(run, direct, tmp_path):
    with pytest.raises(nf.ConfigError, match="no statistic 'max'"):
        nf.plots.confidence(run, show=["max"])
    with pytest.raises(nf.ConfigError, match="no scale 'cubic'"):
        nf.plots.confidence(run, scale="cubic")
    with pytest.raises(nf.ConfigError, match="let the run make a generation"):
        nf.plots.confidence(nf.evolve(quadrants.classifier(), generations=0, batch=8))
    with pytest.raises(nf.ConfigError, match="Only CPPNs"):
        nf.plots.genome(direct, 0)
    with pytest.raises(nf.ModelError):
        nf.plots.lineage(run, "zebra")
    with pytest.raises(nf.RunError, match="no run folder"):
        nf.plots.archive(tmp_path / "nowhere")


def audit_of(passes: np.ndarray) -> Audit:
    attack = AttackResult(
        name="cppn",
        classes=np.array([[0, 1, 2, 3]]),
        passes=passes,
        confidence=np.full((1, 4), 0.995, np.float32),
        images=np.zeros((1, 4, 1, 8, 8), np.uint8),
        top_classes=np.zeros((1, 4, 1), np.int64),
        top_confidence=np.ones((1, 4, 1), np.float32),
        spent=400,
    )
    return Audit(
        config=AuditConfig(model=ModelConfig(name="quadrants"), budget=100, seeds=1),
        model="quadrants",
        class_names=("a", "b", "c", "d"),
        attacks=(attack,),
        feeding=None,
        detection=None,
        photographs={},
        complete=True,
        seconds=1.0,
        folder=None,
    )


def test_fooling_curves_rise_where_classes_fell():
    figure = nf.plots.fooling_curves(audit_of(np.array([[1, 10, 10, 0]])))
    (curve,) = (one for axes in figure.axes for one in axes.lines if one.get_label() == "Evolution of CPPNs")
    heights = dict(zip(*curve.get_data(), strict=True))  # the last of each place
    assert heights == {0: 0.25, 1: 0.75, 2: 0.75}


def test_score_and_detectors_of_an_audit():
    audit = audit_of(np.array([[1, 1, 1, 1]]))
    texts = [text.get_text() for axes in nf.plots.score(audit).axes for text in axes.texts]
    assert "100" in texts
    with pytest.raises(nf.ConfigError, match="tried no detectors"):
        nf.plots.detectors(audit)
    with pytest.raises(nf.RunError, match="before its first seed"):
        nf.plots.score(audit_of(np.zeros((0, 4), np.int64)))


def test_transfer_has_a_row_for_every_image_or_every_run():
    one = transfer_images(
        quadrants.lit(0, 1, 2, 3),
        np.arange(4),
        [quadrants.classifier(), quadrants.turned()],
        source=quadrants.classifier(),
    )

    def texts(figure: Figure) -> list[str]:
        return [text.get_text() for axes in figure.axes for text in axes.texts]

    assert "2 of 4" in texts(nf.plots.transfer(TransferMatrix((one,))))
    assert texts(nf.plots.transfer(TransferMatrix((one, one)))).count("50.00 %") == 2


def test_every_plot_is_documented():
    page = (Path(__file__).parents[2] / "docs/plots.md").read_text(encoding="utf-8")
    assert [name for name in nf.plots.__all__ if f"`{name}" not in page and f"plots.{name}(" not in page] == []


def test_the_example_of_the_page_works(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs/plots.md").read_text(encoding="utf-8")
    block = page.split("```python\n")[1].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/plots.md", "exec"), {})
    assert (tmp_path / "takeovers.png").stat().st_size > 1000
    assert matplotlib.rcParams["figure.dpi"] == matplotlib.rcParamsDefault["figure.dpi"]
