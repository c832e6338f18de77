import itertools
import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import quadrants
import torch
from PIL import Image

import neatfool as nf
from neatfool import _core
from neatfool.cli import run as cli
from neatfool.experiments.diversity import DiversityResult, diversity, hierarchy_similarity
from neatfool.experiments.diversity.distances import class_distances, connection_kinds, overlap
from neatfool.experiments.diversity.figure import draw_distances
from neatfool.experiments.diversity.map import embed, spread
from neatfool.experiments.diversity.permutation import mantel
from neatfool.models import ModelConfig
from neatfool.search import EvolveConfig, build_config


def evolve(out: Path, *, seed: int, encoding: str = "cppn", classes: str | None = None) -> nf.RunFolder:
    model = ModelConfig(name="quadrants:classifier", device="cpu").model_dump()
    config = build_config(EvolveConfig().model_dump(), {"model": model, "encoding": {"name": encoding}})
    nf.evolve(config=config, generations=6, batch=20, seed=seed, classes=classes, out=out)
    return nf.RunFolder.open(out)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[nf.RunFolder]:
    folder = tmp_path_factory.mktemp("runs")
    return [evolve(folder / f"run-{seed}", seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def result(runs) -> DiversityResult:
    return diversity(runs, judge=quadrants.classifier(), permutations=99)


def test_distances_are_those_of_the_definitions(result):
    images, features = result.images, result.features.astype(np.float64)
    assert result.distances["pixels"].shape == (3, 4, 3, 4)
    for one, other in itertools.product(np.ndindex(3, 4), repeat=2):
        pixels = np.abs(images[one].astype(float) - images[other].astype(float)).mean() / 255
        cosine = features[one] @ features[other] / np.linalg.norm(features[one]) / np.linalg.norm(features[other])
        assert result.distances["pixels"][(*one, *other)] == pytest.approx(pixels, abs=1e-5)
        assert result.distances["features"][(*one, *other)] == pytest.approx(1 - cosine, abs=1e-5)


def test_groups_hold_each_pair_once(result):
    sizes = {name: len(values) for name, values in result.groups("pixels").items()}
    assert sizes == {
        "same class, different runs": 3 * 4,
        "different classes, different runs": 3 * 4 * 3,
        "different classes, same run": 3 * 6,
    }
    expected = np.mean([result.distances["pixels"][a, k, b, k] for a, b in ((0, 1), (0, 2), (1, 2)) for k in range(4)])
    assert result.groups("pixels")["same class, different runs"].mean() == pytest.approx(expected)


def test_class_distances_average_over_runs(result):
    distance = result.distances["pixels"]
    apart = [distance[a, 1, b, 2] for a in range(3) for b in range(3) if a != b]
    assert class_distances(distance, same_run=False)[1, 2] == pytest.approx(np.mean(apart))
    assert class_distances(distance, same_run=True)[1, 2] == pytest.approx(
        np.mean([distance[a, 1, a, 2] for a in range(3)])
    )


def test_compatibility_is_neats_and_only_within_a_run(result, runs):
    compatibility = result.distances["compatibility"]
    assert np.isnan(compatibility[0, :, 1]).all()
    assert not np.isnan(compatibility[1, :, 1]).any()
    np.testing.assert_array_equal(np.diagonal(compatibility[0, :, 0]), 0)
    figures = result.summary()["distances"]["compatibility"]
    assert list(figures) == ["different classes, same run"]


def genome(*connections: tuple[int, int], disabled: int = -1) -> str:
    nodes = [{"id": 4, "activation": "sine"}, {"id": 9, "activation": "gaussian"}]
    genes = [
        {"innovation": index, "source": source, "target": target, "weight": 1.0, "enabled": index != disabled}
        for index, (source, target) in enumerate(connections)
    ]
    return json.dumps({"format": "neatfool-cppn", "version": 1, "outputs": 1, "nodes": nodes, "connections": genes})


def test_connections_are_counted_by_the_kinds_of_their_nodes():
    counts = connection_kinds(
        _core.CppnGenomes.from_json(
            [genome((0, 4), (0, 9), (9, 4)), genome((9, 4), (0, 4), (3, 4)), genome((0, 4), (1, 4), disabled=1)]
        )
    )
    names = _core.activation_names()
    width = len(names) + 1
    output, gaussian = len(names), names.index("gaussian")
    assert counts[0].sum() == 3
    assert counts[0, 0 * width + output] == 1
    assert counts[0, 0 * width + gaussian] == 1
    assert counts[0, (4 + gaussian) * width + output] == 1
    assert counts[2].sum() == 1
    # Two connections in common, four kinds in all.
    assert np.minimum(counts[0], counts[1]).sum() / np.maximum(counts[0], counts[1]).sum() == 0.5


def test_the_same_run_twice_is_no_diversity(tmp_path):
    twins = [evolve(tmp_path / name, seed=5) for name in ("a", "b")]
    result = diversity(twins, judge=quadrants.classifier(), permutations=99)
    for measure in ("pixels", "features", "structure"):
        np.testing.assert_allclose(result.groups(measure)["same class, different runs"], 0, atol=1e-6)
    closer, p = result.same_class["pixels"]
    assert closer > 0.9
    assert p < 0.15
    assert result.nearest_same_class("pixels") > 0.7


def test_ancestry_follows_the_lines_of_descent(result, runs):
    from neatfool.search import load_search

    for run, folder in enumerate(runs):
        _, strategy, _ = load_search(folder)
        lines = [strategy.lineage.ancestry(int(elite)) for elite in strategy.archive.ids]
        ids = [{birth.id for birth in line} for line in lines]
        assert result.shared_ancestors[run, 0, 1] == pytest.approx(len(ids[0] & ids[1]) / len(ids[0] | ids[1]))
        for cell, line in enumerate(lines):
            held = [cell, *(birth.class_index for birth in line if birth.generation > 0)]
            changes = sum(one != other for one, other in itertools.pairwise(held))
            assert result.class_changes[run, cell] == changes


def test_two_measurements_are_equal_and_leave_global_generators_alone(result, runs):
    classifier = quadrants.classifier()
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    again = diversity(runs, judge=classifier, permutations=99)
    assert again.summary() == result.summary()
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before  # noqa: NPY002


def test_direct_genomes_have_no_structure(tmp_path):
    folders = [evolve(tmp_path / str(seed), seed=seed, encoding="direct") for seed in range(2)]
    result = diversity(folders, judge=quadrants.classifier(), permutations=9)
    assert list(result.distances) == ["pixels", "features"]
    assert result.summary()["complexity"] is None


def test_only_common_classes_are_compared(tmp_path, runs):
    some = evolve(tmp_path / "some", seed=7, classes="2,1")
    result = diversity([runs[0], some], judge=quadrants.classifier(), permutations=9)
    assert result.classes.tolist() == [1, 2]
    assert result.confidence[1].tolist() == [elite.confidence for elite in some.elites()]
    other = evolve(tmp_path / "other", seed=8, classes="0")
    with pytest.raises(nf.RunError, match="no class in common"):
        diversity([some, other], judge=quadrants.classifier())


def test_one_class_has_no_statistics_between_classes(tmp_path):
    folders = [evolve(tmp_path / str(seed), seed=seed, classes="1") for seed in range(2)]
    summary = diversity(folders, judge=quadrants.classifier(), permutations=9).summary()
    assert summary["distances"]["pixels"]["p"] is None
    json.dumps(summary, allow_nan=False)


def test_unfit_runs_are_refused(runs):
    with pytest.raises(nf.ConfigError, match="at least two runs"):
        diversity(runs[:1], judge=quadrants.classifier())
    with pytest.raises(nf.ConfigError, match="given twice"):
        diversity([runs[0], runs[0]], judge=quadrants.classifier())
    with pytest.raises(nf.RunError, match="other weights"):
        diversity(runs, judge=quadrants.turned())


def test_equal_values_share_their_mean_rank():
    one, other = np.zeros((2, 4, 4))
    upper = np.triu_indices(4, 1)
    one[upper], other[upper] = [3, 1, 3, 2, 5, 6], [1, 2, 3, 4, 5, 6]
    # Ranks 3.5, 1, 3.5, 2, 5, 6 against 1 to 6, worked out by hand: 11.5 / sqrt(17 * 17.5).
    found = mantel(one + one.T, other + other.T, permutations=9, seed=0)
    assert found.rho == pytest.approx(11.5 / math.sqrt(17 * 17.5))


def test_mantel_agrees_with_all_permutations_counted():
    rng = np.random.default_rng(4)
    one, other = (matrix + matrix.T for matrix in rng.random((2, 4, 4)))
    upper = np.triu_indices(4, 1)

    def rho(order: tuple[int, ...]) -> float:
        moved = other[np.ix_(order, order)]
        ranks = [np.argsort(np.argsort(matrix[upper])) for matrix in (one, moved)]
        return float(np.corrcoef(ranks)[0, 1])

    observed = rho((0, 1, 2, 3))
    exact = np.mean([rho(order) >= observed - 1e-12 for order in itertools.permutations(range(4))])
    found = mantel(one, other, permutations=4000, seed=0)
    assert found.rho == pytest.approx(observed)
    assert found.p == pytest.approx(exact, abs=0.04)
    assert found.pairs == 6


def test_mantel_of_a_matrix_with_itself_and_with_its_opposite():
    rng = np.random.default_rng(0)
    matrix = rng.random((8, 8))
    matrix += matrix.T
    same, opposite = (mantel(matrix, sign * matrix, permutations=199, seed=0) for sign in (1, -1))
    assert same.rho == pytest.approx(1)
    assert same.p == 1 / 200
    assert opposite.rho == pytest.approx(-1)
    assert opposite.p == 1
    constant = mantel(matrix, np.ones((8, 8)), permutations=9, seed=0)
    assert np.isnan(constant.rho)
    assert np.isnan(constant.p)


def test_overlap_is_jaccards():
    sets = [{1, 2, 3}, {2, 3, 4, 5}, set(range(100, 10_000)), {3, 5000}]
    expected = [[len(a & b) / len(a | b) for a in sets] for b in sets]
    np.testing.assert_allclose(overlap(sets), expected)


def test_hierarchy_counts_common_groups(tmp_path):
    file = tmp_path / "is_a.txt"
    file.write_text("animal canine\ncanine dog\ncanine wolf\nthing car\npet dog\n")
    similarity = hierarchy_similarity(file, ["dog", "wolf", "car"])
    # dog: dog, canine, animal, pet; wolf: wolf, canine, animal.
    np.testing.assert_allclose(similarity, [[1, 2 / 5, 0], [2 / 5, 1, 0], [0, 0, 1]])
    file.write_text("big cats\tsnow leopard\nbig cats\tlion\n")
    assert hierarchy_similarity(file, ["snow leopard", "lion"])[0, 1] == pytest.approx(1 / 3)


def test_a_hierarchy_with_a_loop_ends(tmp_path):
    file = tmp_path / "loop.txt"
    file.write_text("a b\nb a\n")
    np.testing.assert_allclose(hierarchy_similarity(file, ["a", "b"]), 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ("alone\n", "line 1"), ("a b\n", "lacks 1 of 2 classes"), (None, "cannot be read")],
)
def test_bad_hierarchies_are_refused(tmp_path, text, message):
    file = tmp_path / "is_a.txt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(nf.DataError, match=message):
        hierarchy_similarity(file, ["a", "c"])


def test_related_classes_with_alike_images_correlate(runs):
    alike = diversity(runs, judge=quadrants.classifier(), permutations=9)
    hierarchy = -class_distances(alike.distances["pixels"], same_run=False)
    result = diversity(runs, judge=quadrants.classifier(), hierarchy=hierarchy, permutations=199)
    found = {(one.relatedness, one.similarity, one.within): one.result for one in result.correlations}
    assert found["hierarchy", "pixels", "different runs"].rho == pytest.approx(1)
    assert ("class weights", "ancestors", "same run") in found


def test_pictures_get_a_cell_each_near_their_places():
    places = np.array([[0, 0], [1, 1], [1, 1], [0.5, 0]])
    cells = spread(places, columns=5, rows=3)
    assert len({tuple(cell) for cell in cells.tolist()}) == 4
    assert cells[0].tolist() == [0, 0]
    assert cells[3].tolist() == [2, 0]
    assert sorted(np.abs(cells[1:3] - [4, 2]).sum(1).tolist()) == [0, 1]


def test_every_density_counts_all_its_pairs_once(result):
    for measure, groups in (("pixels", 3), ("compatibility", 1)):
        lines = draw_distances(result, measure).axes[-1].lines
        assert [line.get_ydata().sum() for line in lines] == pytest.approx([1] * groups)
        distances = np.concatenate(list(result.groups(measure).values()))
        places = lines[0].get_xdata()
        assert np.nanmin(distances) <= places[0] < places[-1] <= np.nanmax(distances)


def test_a_result_is_written_and_shown_without_the_command_line(result, tmp_path):
    result.write(tmp_path / "new" / "folder", elite_map=False)
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "diversity.html", "diversity.json", "diversity.png"
    ]  # fmt: skip
    page = (tmp_path / "new" / "folder" / "diversity.html").read_text()
    assert page.count("<svg") == 4
    assert page.count("<img") == 3 * 4
    assert result._repr_html_().startswith('<img src="data:image/')


@pytest.mark.parametrize(("count", "width"), [(40, 6), (2, 1), (3, 2)])
def test_the_embedding_depends_on_the_seed_alone(count, width):
    pytest.importorskip("sklearn")
    features = np.random.default_rng(1).random((count, width)).astype(np.float32)
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    places = embed(features, seed=3)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    np.testing.assert_array_equal(embed(features, seed=3), places)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_groups_of_features_become_groups_on_the_map():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(3), 10)
    features = np.eye(3)[group] + rng.normal(0, 0.02, (30, 3))
    places = embed(features.astype(np.float32), seed=0)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    np.testing.assert_array_equal(group[distance.argmin(1)], group)


def test_command_line_from_runs_to_figures(tmp_path, runs, capsys):
    pytest.importorskip("sklearn")
    out = tmp_path / "out"
    hierarchy = tmp_path / "is_a.txt"
    names = quadrants.classifier().class_names
    hierarchy.write_text("".join(f"{name.split()[0]}\t{name}\n" for name in names))
    paths = [str(run.path) for run in runs]
    options = ["--hierarchy", str(hierarchy), "--device", "cpu", "--out", str(out)]
    assert cli(["diversity", *paths, *options, "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert captured.err == ""
    assert printed["runs"] == ["run-0", "run-1", "run-2"]
    assert {row["relatedness"] for row in printed["related_classes"]} == {"class weights", "hierarchy"}
    assert json.loads((out / "diversity.json").read_text())["distances"] == printed["distances"]
    assert "bottom &lt;left&gt;" in (out / "diversity.html").read_text()
    for name in ("map.png", "diversity.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 300
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    assert cli(["diversity", *paths, *options]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files


def test_the_map_without_scikit_learn(tmp_path, runs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    paths = [str(run.path) for run in runs]
    out = tmp_path / "out"
    assert cli(["diversity", *paths, "--out", str(out), "--map"]) == 2
    assert "pip install 'neatfool[map]'" in capsys.readouterr().err
    assert not out.exists()
    assert cli(["diversity", *paths, "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert sorted(path.name for path in out.iterdir()) == ["diversity.html", "diversity.json", "diversity.png"]


def test_wrong_options_end_with_one_sentence(runs, tmp_path, capsys):
    for options, message in (
        ([str(runs[0].path)], "at least two runs"),
        ([*(str(run.path) for run in runs), "--data", str(tmp_path)], "--data only names the classes"),
        ([str(runs[0].path), str(tmp_path / "none")], "There is no run folder"),
    ):
        assert cli(["diversity", *options]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
