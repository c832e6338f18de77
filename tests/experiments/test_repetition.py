"""Copies of a motif: found where a formula puts them, removed without a trace elsewhere, judged with a control."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import neatfool as nf
from neatfool import _core
from neatfool.encodings import CppnPopulation
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.experiments.repetition import repeat
from neatfool.experiments.repetition.copies import copies_in_genome, copies_in_image
from neatfool.experiments.repetition.figure import draw_medians

X, Y, D, BIAS, OUTPUT = 0, 1, 2, 3, 4
SIDE = 64


def genome(outputs: dict[int, str], hidden: dict[int, str], weights: dict[tuple[int, int], float]) -> dict:
    return {
        "format": "neatfool-cppn",
        "version": 1,
        "outputs": len(outputs),
        "nodes": [{"id": node, "activation": name} for node, name in {**outputs, **hidden}.items()],
        "connections": [
            {"innovation": number, "source": source, "target": target, "weight": weight, "enabled": True}
            for number, ((source, target), weight) in enumerate(weights.items())
        ],
    }


def population(*genomes: dict, side: int = SIDE, coordinates: str = "unit") -> CppnPopulation:
    arrays = _core.CppnGenomes.from_json([json.dumps(one) for one in genomes]).arrays()
    arrays["counters"] = np.array([1000, 1000], np.uint32)
    return nf.Cppn(coordinates=coordinates).restore(arrays, shape=(genomes[0]["outputs"], side, side), seed=0)


def drawn(*genomes: dict, **options) -> np.ndarray:
    batch = population(*genomes, **options)
    out = np.empty((len(genomes), *batch.shape), np.uint8)
    batch.render(out)
    return out


def unit(side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-1, 1, side)
    return axis[:, None], axis[None, :]


STRIPES = genome({OUTPUT: "sine"}, {}, {(X, OUTPUT): 10.0})
# A wave of 0.5 per pixel, in half strength on a gray ground that a second, vertical gradient changes.
WAVES = genome({OUTPUT: "linear"}, {7: "sine"}, {(X, 7): 0.5, (7, OUTPUT): 1.0, (BIAS, OUTPUT): 1.5, (Y, OUTPUT): 0.01})


def test_an_output_counts_half_periods():
    copies = copies_in_genome(population(STRIPES), 0, min_copies=3)
    y, x = unit()
    # |sin(10 x)| is 0 at multiples of pi / 10; six half waves lie wholly within [-1, 1].
    expected = np.clip(np.floor(10 * x / math.pi), -3, 2) + 3 + 0 * y
    assert copies.count == 6
    assert copies.way == "genome"
    assert np.array_equal(copies.labels, expected)
    assert copies.background.max() == 0
    assert copies.period == pytest.approx(math.pi / 10 * (SIDE - 1) / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("activation", "period", "start", "edges"),
    [("sine", 2 * math.pi, 0, 5), ("cosine", 2 * math.pi, -math.pi / 2, 4), ("triangle", 4, 0, 7)],
)
def test_a_hidden_node_counts_periods(activation, period, start, edges):
    waves = genome(
        {OUTPUT: "linear"}, {7: activation}, {(X, 7): 0.5, (7, OUTPUT): 1.0, (BIAS, OUTPUT): 1.5, (Y, OUTPUT): 0.01}
    )
    copies = copies_in_genome(population(waves, coordinates="pixel"), 0, min_copies=3)
    phase = (0.5 * np.arange(SIDE) - start) / period
    first, last = math.ceil(phase[0]), math.floor(phase[-1])
    assert copies.count == last - first == edges
    assert np.array_equal(copies.labels[11], np.clip(np.floor(phase), first, last - 1) - first)
    silent = genome({OUTPUT: "linear"}, {}, {(BIAS, OUTPUT): 1.5, (Y, OUTPUT): 0.01})
    assert np.array_equal(copies.background, drawn(silent, coordinates="pixel")[0])


def test_phases_follow_a_bent_and_nested_input():
    bent = genome(
        {OUTPUT: "linear"},
        {7: "gaussian", 8: "sigmoid", 9: "sine"},
        {(Y, 7): 2.0, (X, 7): 0.5, (D, 8): 1.5, (X, 9): 10.0, (7, 9): 4.0, (8, 9): -6.0, (9, OUTPUT): 3.0},
    )
    y, x = unit()
    d = np.hypot(x, y)
    phase = 10 * x + 4 * np.exp(-((2 * y + 0.5 * x) ** 2)) - 6 * (2 / (1 + np.exp(-1.5 * d)) - 1)
    phase /= 2 * math.pi
    picture = drawn(bent)[0]
    assert np.abs(picture[0] - np.trunc(np.abs(np.sin(2 * math.pi * phase)) * 255)).max() <= 1
    copies = copies_in_genome(population(bent), 0, min_copies=2)
    first, last = math.ceil(phase.min()), math.floor(phase.max())
    assert copies.count == last - first
    assert np.array_equal(copies.labels, np.clip(np.floor(phase), first, last - 1) - first)


def test_the_node_that_changes_the_picture_most_is_chosen():
    both = genome(
        {OUTPUT: "linear"},
        {7: "sine", 8: "sine"},
        {(X, 7): 0.5, (Y, 8): 0.7, (7, OUTPUT): 0.2, (8, OUTPUT): 1.0, (BIAS, OUTPUT): 1.5},
    )
    copies = copies_in_genome(population(both, coordinates="pixel"), 0, min_copies=3)
    assert "node 8" in copies.why
    assert (copies.labels == copies.labels[:, :1]).all()


@pytest.mark.parametrize(
    "nothing",
    [
        genome({OUTPUT: "gaussian"}, {}, {(X, OUTPUT): 10.0}),
        genome({OUTPUT: "sine"}, {}, {(X, OUTPUT): 3.0}),
        genome({OUTPUT: "gaussian"}, {7: "sine"}, {(X, 7): 10.0, (X, OUTPUT): 2.0}),
        genome({OUTPUT: "sine"}, {}, {}),
    ],
    ids=["no periodic node", "too few periods", "not connected to the picture", "no input"],
)
def test_genomes_without_copies(nothing):
    assert copies_in_genome(population(nothing), 0, min_copies=3) is None


def test_waves_too_fine_for_the_pixels_are_no_copies():
    fine = genome({OUTPUT: "sine"}, {}, {(X, OUTPUT): 9.0})
    assert copies_in_genome(population(fine, coordinates="pixel"), 0, min_copies=3) is None


@pytest.mark.parametrize("angle", [0, 25, 90, 140])
def test_stripes_in_a_picture(angle):
    y, x = np.mgrid[:96, :96] - 47.5
    across = math.cos(math.radians(angle)) * x + math.sin(math.radians(angle)) * y
    picture = np.uint8(127.5 + 120 * np.sin(2 * math.pi * across / 16))[None]
    copies = copies_in_image(picture, min_copies=3)
    assert copies.period == pytest.approx(16, abs=0.8)
    assert copies.way == "image"
    # A copy is one stripe: the distance of its pixels along the normal is one period.
    for copy in range(copies.count):
        assert np.ptp(across[copies.labels == copy]) == pytest.approx(16, abs=2)
    assert copies.count >= 5


def test_a_lattice_of_dots_in_a_picture():
    y, x = np.mgrid[:90, :90] % 18 - 8.5
    picture = np.stack([np.where(np.hypot(y, x) < 5, bright, 30) for bright in (250, 90, 160)]).astype(np.uint8)
    copies = copies_in_image(picture, min_copies=3)
    assert copies.count == 25
    assert copies.period == 18
    assert set(np.bincount(copies.labels[copies.labels >= 0])) == {18 * 18}
    # What replaces a copy has no motif left.
    assert copies.background.std(axis=(1, 2)).max() < 1


@pytest.mark.parametrize("kind", ["noise", "gradient", "constant", "one dot"])
def test_pictures_without_copies(kind):
    y, x = np.mgrid[:48, :48]
    picture = {
        "noise": np.random.default_rng(0).integers(0, 256, (3, 48, 48)),
        "gradient": (2 * x + 3 * y)[None],
        "constant": np.full((3, 48, 48), 9),
        "one dot": np.where(np.hypot(y - 20, x - 30) < 6, 255, 0)[None],
    }[kind].astype(np.uint8)
    assert copies_in_image(picture, min_copies=3) is None


class Stripes(torch.nn.Module):
    """Sure of class 1 in proportion to the light in the picture; keeps what it saw."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(6.0))
        self.seen: list[np.ndarray] = []

    def forward(self, x):
        self.seen.append(x.numpy().copy())
        light = x.mean((1, 2, 3))
        return self.scale * torch.stack([torch.full_like(light, 0.5), light], 1)


@pytest.fixture
def stripes(tmp_path: Path) -> tuple[nf.RunFolder, nf.Classifier]:
    """A run whose elite of class 1 shows six bright stripes, and that of class 0 nothing repeated."""
    model = nf.Classifier(Stripes(), input_size=SIDE, channels=1, class_names=["dark", "light"], device="cpu")
    run = nf.evolve(model, encoding=nf.Cppn(), generations=0, batch=4, out=tmp_path / "run")
    plain = genome({OUTPUT: "gaussian"}, {}, {(X, OUTPUT): 1.0})
    run.archive.genomes.put(np.array([0, 1]), population(plain, STRIPES), np.array([0, 1]))
    run.archive.ids[:] = [100, 101]
    run.search.evaluations = 102
    run.lineage.add([100, 101], [(-1, -1)] * 2, [-1] * 2, generation=0)
    run.save()
    return run.folder, model


def test_confidence_by_copies(stripes):
    folder, model = stripes
    result = repeat(folder, judge=model)
    (light,) = result.classes
    assert (light.class_index, light.class_name, light.copies.count) == (1, "light", 6)
    assert light.levels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert light.confidences.shape == light.controls.shape == (5, 7)
    whole = drawn(STRIPES)
    assert light.confidence[-1] == light.control[-1] == model.confidences(whole)[0, 1]
    # This classifier counts the light, and every stripe adds some.
    assert (np.diff(light.confidences) > 0).all()
    assert light.spearman == 1
    summary = result.summary()
    assert (summary["elites"], summary["repeating"], summary["by_genome"], summary["rising"]) == (2, 1, 1, 1.0)
    assert summary["median_confidence"]["half"] == pytest.approx(light.confidence[3])
    assert summary["median_confidence"]["one"] == pytest.approx(light.confidence[1])
    assert json.loads(json.dumps(summary)) == summary


def test_only_the_copies_that_go_are_touched(stripes):
    folder, model = stripes
    (light,) = repeat(folder, judge=model).classes
    for level in range(7):
        picture = light.with_copies(level)
        gone = np.isin(light.copies.labels, light.order[: 6 - level])
        assert np.array_equal(picture[:, ~gone], light.picture[:, ~gone])
        assert np.array_equal(picture[:, gone], light.copies.background[:, gone])
        assert len(np.unique(light.copies.labels[~gone])) == level


class Greys(torch.nn.Module):
    """Sure of class 1 in proportion to the pixels that are neither dark nor bright; keeps what it saw."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(1.0))
        self.seen: list[np.ndarray] = []

    def forward(self, x):
        self.seen.append(x.numpy().copy())
        share = ((x > 0.2) & (x < 0.9)).float().mean((1, 2, 3))
        return self.scale * torch.stack([torch.full_like(share, 0.5), share], 1)


def direct_run(path: Path, picture: np.ndarray, module: torch.nn.Module) -> tuple[nf.RunFolder, nf.Classifier]:
    """A run whose elite of class 1 is a picture in [0, 1]."""
    model = nf.Classifier(module, input_size=SIDE, channels=1, class_names=["dark", "light"], device="cpu")
    run = nf.evolve(model, encoding=nf.Direct(), generations=0, batch=4, out=path)
    genes = np.rint(picture * 65535).astype(np.uint16).reshape(1, -1)
    run.archive.genomes.genomes.put(
        np.array([1], np.uint32), _core.DirectGenomes.from_array(genes), np.array([0], np.uint32)
    )
    run.archive.ids[:] = [100, 101]
    run.search.evaluations = 102
    run.lineage.add([100, 101], [(-1, -1)] * 2, [-1] * 2, generation=0)
    run.save()
    return run.folder, model


def test_the_control_removes_as_large_an_area(tmp_path):
    y, x = np.mgrid[:SIDE, :SIDE] % 16 - 7.5
    folder, model = direct_run(tmp_path / "run", np.where(np.hypot(y, x) < 5, 1.0, 0.1), Greys())
    model.module.seen.clear()
    (dots,) = repeat(folder, judge=model, classes="light").classes
    assert dots.copies.count == 9
    # A copy's mean colour is neither that of the dots nor that of the ground: the classifier counts what is removed.
    assert (np.diff(dots.confidences) < 0).all()
    assert np.array_equal(dots.confidences, dots.controls)
    pictures = {picture.tobytes() for batch in model.module.seen for picture in batch}
    assert len(pictures) > 2 * 5 * 7
    # Four pairs of the nine; halves of two dots are as large as one.
    assert np.allclose(dots.whole, dots.halved, atol=1e-6)
    assert np.allclose(dots.whole, dots.confidences[:, 5], atol=1e-6)


class WholeDots(torch.nn.Module):
    """Sure of class 1 in proportion to the number of dots that lack nothing."""

    def __init__(self):
        super().__init__()
        y, x = np.mgrid[:16, :16] - 7.5
        dot = torch.from_numpy(np.where(np.hypot(y, x) < 5, 1.0, 0.0)).float()
        self.dot = torch.nn.Parameter((dot / dot.sum())[None, None])

    def forward(self, x):
        found = (torch.nn.functional.conv2d(x[..., 8:-8, 8:-8], self.dot, stride=16) > 0.99).float().sum((1, 2, 3))
        return torch.stack([torch.full_like(found, 3.0), found], 1)


def test_whole_copies_are_told_from_halved_ones(tmp_path):
    y, x = (np.mgrid[:SIDE, :SIDE] + 8) % 16 - 7.5
    folder, model = direct_run(tmp_path / "run", np.where(np.hypot(y, x) < 5, 1.0, 0.1), WholeDots())
    result = repeat(folder, judge=model, classes="light")
    (dots,) = result.classes
    # Four pairs of nine copies: five are left whole, or one.
    odds = 1 / (1 + np.exp(3.0 - np.array([5, 1])))
    assert np.allclose(dots.whole, odds[0])
    assert np.allclose(dots.halved, odds[1])
    pairs = result.summary()["pairs"]
    assert (pairs["pictures"], pairs["above"], pairs["interval"]) == (1, 1.0, None)
    assert pairs["difference"] == pytest.approx(odds[0] - odds[1])
    many = replace(result, classes=tuple(
        replace(dots, individual=number, whole=dots.whole + number / 100) for number in range(20)
    ))  # fmt: skip
    pairs = many.summary()["pairs"]
    middle, error = odds[0] - odds[1] + 0.095, np.std(np.arange(20) / 100) / np.sqrt(20)
    assert pairs["interval"] == pytest.approx([middle - 1.96 * error, middle + 1.96 * error], abs=0.15 * error)


def test_the_same_seed_gives_the_same_result(stripes):
    folder, model = stripes
    first, again, other = (repeat(folder, judge=model, seed=seed) for seed in (3, 3, 4))
    assert first.summary() == again.summary()
    assert np.array_equal(first.classes[0].controls, again.classes[0].controls)
    assert first.summary()["classes"][0]["control"] != other.summary()["classes"][0]["control"]
    state = torch.get_rng_state()
    repeat(folder, judge=model)
    assert torch.equal(state, torch.get_rng_state())


def test_classes_stop_and_what_cannot_be(stripes):
    folder, model = stripes
    assert repeat(folder, judge=model, classes="dark").summary()["repeating"] == 0
    assert repeat(folder, judge=model, min_copies=7).classes == ()
    stopped = repeat(folder, judge=model, stop=lambda: True)
    assert (stopped.complete, stopped.elites, stopped.summary()["rising"]) == (False, 0, None)
    with pytest.raises(ConfigError, match="at least 2"):
        repeat(folder, judge=model, min_copies=1)
    with pytest.raises(ConfigError, match="orders"):
        repeat(folder, judge=model, orders=0)
    with pytest.raises(ModelError, match="no class"):
        repeat(folder, judge=model, classes="sky")
    with torch.no_grad():
        model.module.scale += 1
    with pytest.raises(RunError, match="other weights"):
        repeat(folder, judge=model)


def test_direct_elites_are_searched_in_the_picture(tmp_path):
    y, x = unit()
    folder, model = direct_run(tmp_path / "run", np.abs(np.sin(10 * x + 0 * y)), Stripes())
    (light,) = repeat(folder, judge=model, classes="light").classes
    assert light.copies.way == "image"
    assert light.copies.count == 5


def test_figure_page_and_numbers(stripes, tmp_path):
    folder, model = stripes
    result = repeat(folder, judge=model)
    result = replace(result, classes=(replace(result.classes[0], class_name="<light> & air"),))
    result.write(tmp_path / "new" / "folder")
    written = {path.name: path for path in (tmp_path / "new" / "folder").iterdir()}
    assert set(written) == {"repetition.json", "repetition.png", "repetition.html"}
    assert json.loads(written["repetition.json"].read_text()) == result.summary()
    page = written["repetition.html"].read_text()
    assert "&lt;light&gt; &amp; air" in page
    assert "<light>" not in page
    assert page.count("<img ") == 7
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made"):
        result.write(tmp_path / "file" / "below")


def test_curves_are_medians_over_elites(stripes):
    folder, model = stripes
    (light,) = repeat(folder, judge=model).classes
    # Confidences by 0, 1, .. 6 copies; the other elite has half of each.
    half = replace(light, confidences=light.confidences / 2, controls=light.controls / 2)
    control, copies = draw_medians([light, half]).axes[-1].lines
    assert copies.get_xdata() == pytest.approx(np.linspace(0, 1, 21))
    assert copies.get_ydata()[[0, 10, 20]] == pytest.approx(0.75 * light.confidence[[0, 3, 6]])
    assert control.get_ydata()[[0, 10, 20]] == pytest.approx(0.75 * light.control[[0, 3, 6]])


def test_a_notebook_shows_a_picture(stripes):
    result = repeat(stripes[0], judge=stripes[1])
    assert result._repr_html_().startswith('<img src="data:image/png;base64,')
    assert replace(result, classes=())._repr_html_().startswith('<img src="data:image/png;base64,')


def test_what_draws_is_not_imported_before_something_is_drawn():
    used = "nf.diversity, nf.hypothesis, nf.repeat, nf.evolve, nf.reproduce"
    code = f"import sys; import neatfool as nf; {used}; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_repetition_is_a_result_too(stripes, tmp_path):
    folder, model = stripes
    repeat(folder, judge=model, classes="dark").write(tmp_path / "out")
    assert "No motif was found" in (tmp_path / "out" / "repetition.html").read_text()
