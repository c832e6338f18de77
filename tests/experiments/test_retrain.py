import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from digits import write_digits
from PIL import Image
from safetensors.numpy import load_file, save
from torch import nn

from neatfool import Classifier, RunFolder, load_classifier
from neatfool.classifiers import FOOLING_CLASS, same_classifier
from neatfool.classifiers.added_class import add_class
from neatfool.cli import run as run_cli
from neatfool.data import ImageArray, labels_of, split_images
from neatfool.encodings import Cppn
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.experiments.retraining import PRESETS, RetrainSettings, fooling, resume_retrain, retrain
from neatfool.experiments.retraining.fooling import evolve_images, moments
from neatfool.experiments.retraining.hardening import FrozenFeatures, TrainingSet, harden, soft_targets
from neatfool.experiments.retraining.page import write_rounds
from neatfool.experiments.retraining.settings import read_retrain_config
from neatfool.experiments.transfer import read_fooling_images, transfer
from neatfool.search import EvolveConfig, MapElites, evolve
from neatfool.shared.text import percent
from neatfool.training import accuracy
from neatfool.training.loop import TrainingSettings

SIDE = 8
TINY = RetrainSettings(images_per_class=6, generations=4, batch=20, epochs=2, learning_rate=0.05, training_batch=20)


def network(classes: int = 3, *, seed: int = 0, norm: bool = False) -> Classifier:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 12), nn.ReLU()]
    if norm:
        layers.insert(1, nn.BatchNorm2d(6))
    return Classifier(
        nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(12, classes)), input_size=SIDE, channels=1, name="tiny"
    )


def picture(label: int, random: np.random.Generator) -> np.ndarray:
    """A bright bar whose row tells the class."""
    image = random.integers(0, 60, (SIDE, SIDE), dtype=np.uint8)
    image[1 + 2 * label : 3 + 2 * label] += 180
    return image


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for label in range(3):
        (root / f"bar{label}").mkdir()
        for number in range(21):
            Image.fromarray(picture(label, random)).save(root / f"bar{label}" / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def trained(data) -> Classifier:
    """A network that knows the three real classes."""
    classifier = network()
    train, _test = split_images(data, classifier, seed=0)
    nothing = TrainingSet(train, np.empty((0, 1, SIDE, SIDE), np.uint8), 3)
    harden(classifier, nothing, settings=TrainingSettings(epochs=30, batch=10, learning_rate=0.05))
    return classifier


def weights(classifier: Classifier) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in classifier.module.state_dict().items()}


def without_time(result) -> list[dict]:
    return [asdict(replace(one, seconds=0.0)) for one in result.rounds]


def test_rounds_add_a_class_and_leave_the_first_network_alone(trained, data):
    before = trained.weights_hash()
    result = retrain(trained, data, rounds=2, settings=TINY)
    assert trained.weights_hash() == before
    assert result.complete
    assert [one.round for one in result.rounds] == [0, 1, 2]
    assert result.classifier.class_names == (*trained.class_names, FOOLING_CLASS)
    assert result.images.shape == (3, 1, SIDE, SIDE)
    assert np.allclose(result.classifier.confidences(result.images)[range(3), range(3)], result.confidence)
    first, second, third = result.rounds
    assert (first.caught, first.fooling_images, first.loss) == (None, 0, None)
    assert 0 < second.fooling_images <= 18
    assert second.fooling_images < third.fooling_images <= 36
    _train, test = split_images(data, trained, seed=0)
    assert result.training_images + result.judging_images == 63
    assert result.judging_images == len(test)
    assert first.evaluations < second.evaluations < third.evaluations
    assert second.evaluations - first.evaluations == 2 * (20 + 4 * 20) + 100
    assert result.rounds[2].caught_all is not None


def test_a_training_set_is_real_images_and_then_fooling_ones(trained, data):
    real, _ = split_images(data, trained, seed=0)
    fooling = np.random.default_rng(0).integers(0, 256, (5, 1, SIDE, SIDE), dtype=np.uint8)
    both = TrainingSet(real, fooling, 3)
    assert len(both) == len(real) + 5
    assert (both.labels[len(real) :] == 3).all()
    assert np.array_equal(both.labels[: len(real)], labels_of(real))
    pixels = both.images(torch.tensor([0, len(both) - 1, 1]))
    assert np.array_equal(pixels[1], fooling[-1])
    assert np.array_equal(pixels[2], real[1][0])


def test_nothing_held_out_is_trained_on(trained, data, tmp_path):
    result = retrain(trained, data, rounds=2, settings=TINY, out=tmp_path / "run")
    files = [load_file(tmp_path / "run" / "fooling" / f"round-{number}.safetensors") for number in range(3)]
    given = {image.tobytes() for number in (1, 2) for image in files[number]["train.images"]}
    assert result.rounds[2].fooling_images == sum(len(files[number]["train.images"]) for number in (1, 2))

    unseen = [
        np.stack([image for image in file["judge.cppn.images"] if image.tobytes() not in given]) for file in files[:2]
    ]
    caught = [result.classifier.confidences(images).argmax(1) == 3 for images in unseen]
    assert result.rounds[2].caught == pytest.approx(caught[1].mean())
    assert result.rounds[2].caught_all == pytest.approx(np.concatenate(caught).mean())


def test_halves_are_disjoint_and_fair(data, tmp_path):
    classifier = network()
    train, test = split_images(data, classifier, seed=5)
    assert np.bincount(labels_of(train)).tolist() in ([10, 10, 11], [10, 11, 10], [11, 10, 10])
    assert not {image.numpy().tobytes() for image in train.images} & {image.numpy().tobytes() for image in test.images}
    for folder, count in (("train", 2), ("val", 1)):
        for label in range(3):
            (tmp_path / folder / f"bar{label}").mkdir(parents=True)
            for number in range(count):
                Image.new("L", (SIDE, SIDE), label).save(tmp_path / folder / f"bar{label}" / f"{number}.png")
    train, test = split_images(tmp_path, classifier, seed=5)
    assert (len(train), len(test)) == (6, 3)


def test_replace_trains_on_the_newest_and_share_caps(trained, data):
    kept = retrain(trained, data, rounds=2, settings=TINY)
    replaced = retrain(trained, data, rounds=2, settings=TINY.model_copy(update={"keep": False}))
    assert replaced.rounds[1].fooling_images == kept.rounds[1].fooling_images
    assert replaced.rounds[2].fooling_images <= 18 < kept.rounds[2].fooling_images
    capped = retrain(trained, data, rounds=1, settings=TINY.model_copy(update={"share": 0.2}))
    assert capped.rounds[1].fooling_images == capped.training_images // 4
    assert capped.rounds[1].training_share <= 0.2
    several = retrain(trained, data, rounds=1, settings=TINY.model_copy(update={"share": 0.2, "views": 3}))
    assert several.training_images == capped.training_images
    assert several.rounds[1].fooling_images == min(3 * several.training_images // 4, kept.rounds[1].fooling_images)
    assert several.rounds[1].loss != capped.rounds[1].loss


def test_both_encodings(trained, data):
    result = retrain(trained, data, rounds=1, settings=TINY.model_copy(update={"encoding": "both"}))
    assert set(result.rounds[1].encodings) == {"cppn", "direct"}
    caught = [result.rounds[1].encodings[name]["caught"] for name in ("cppn", "direct")]
    assert min(caught) <= result.rounds[1].caught <= max(caught)
    best = np.take_along_axis(result.classifier.confidences(result.images), np.arange(3)[:, np.newaxis], 1)[:, 0]
    assert np.allclose(best, result.confidence)


@pytest.mark.parametrize(
    "update", [{}, {"encoding": "both", "distill": 0.5, "views": 3}, {"fresh": True, "keep": False}]
)
def test_an_interrupted_run_resumes_to_the_same_result(trained, data, tmp_path, update):
    settings = TINY.model_copy(update=update)
    whole = retrain(trained, data, rounds=2, settings=settings, seed=3, out=tmp_path / "whole")
    finished = 0

    def count(now):
        nonlocal finished
        finished += "round" in now.metrics

    asked = 0

    def stop() -> bool:
        """In the midst of round 2."""
        nonlocal asked
        asked += finished == 2
        return asked > 5

    part = retrain(trained, data, rounds=2, settings=settings, seed=3, out=tmp_path / "part", progress=count, stop=stop)
    assert not part.complete
    assert len(part.rounds) == 2
    with (tmp_path / "part" / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"generation": 2, "torn": true}\n{"gen')
    resumed = resume_retrain(tmp_path / "part", judge=trained)
    assert resumed.complete
    assert without_time(resumed) == without_time(whole)
    assert resumed.classifier.weights_hash() == whole.classifier.weights_hash()
    for name in ("weights/round-2.safetensors", "fooling/round-2.safetensors"):
        kept, again = load_file(tmp_path / "whole" / name), load_file(tmp_path / "part" / name)
        assert kept.keys() == again.keys()
        assert all(np.array_equal(kept[key], again[key]) for key in kept)


def test_a_run_stopped_before_anything_was_done_starts_over(trained, data, tmp_path):
    nothing = retrain(trained, data, rounds=1, settings=TINY, out=tmp_path / "run", stop=lambda: True)
    assert nothing.rounds == ()
    assert nothing.images.shape == (0, 1, SIDE, SIDE)
    resumed = resume_retrain(tmp_path / "run", judge=trained)
    assert without_time(resumed) == without_time(retrain(trained, data, rounds=1, settings=TINY))


def test_another_network_cannot_resume(trained, data, tmp_path):
    retrain(trained, data, rounds=1, settings=TINY, out=tmp_path / "run")
    with pytest.raises(RunError, match="other weights"):
        resume_retrain(tmp_path / "run", judge=network(seed=9))
    path = tmp_path / "run" / "weights" / "round-1.safetensors"
    infinite = {name: np.full_like(values, -np.inf) for name, values in load_file(path).items()}
    for content in (save(infinite), b"no"):
        path.write_bytes(content)
        with pytest.raises(ModelError):
            resume_retrain(tmp_path / "run", judge=trained)


def test_frozen_features_stay_bit_for_bit(data):
    classifier = add_class(network(norm=True), FOOLING_CLASS, seed=0)
    train, _ = split_images(data, classifier.with_module(network(norm=True).module, ("a", "b", "c")), seed=0)
    before = weights(classifier)
    fooling = np.random.default_rng(0).integers(0, 256, (10, 1, SIDE, SIDE), dtype=np.uint8)
    harden(classifier, TrainingSet(train, fooling, 3), settings=TrainingSettings(epochs=2), freeze_features=True)
    after = weights(classifier)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    last = max(int(name.split(".")[0]) for name in before)
    assert changed == {f"{last}.weight", f"{last}.bias"}


def test_cut_networks_give_what_whole_ones_do():
    """SqueezeNet goes on after its last layer: rectified, then averaged over space."""
    for classifier in (network(norm=True), load_classifier("squeezenet1_0", weights="none", device="cpu")):
        pixels = torch.randint(0, 256, (3, classifier.channels, *classifier.image_size), dtype=torch.uint8)
        frozen = FrozenFeatures(classifier)
        with torch.no_grad():
            wanted = classifier.logits(pixels.float())
            assert torch.allclose(frozen.outputs(frozen.features(pixels)), wanted, atol=1e-5)


def test_distillation_lowers_drift(trained, data):
    train, test = split_images(data, trained, seed=0)
    few = ImageArray(train.images[::4], train.targets[::4])
    fooling = np.random.default_rng(0).integers(0, 256, (30, 1, SIDE, SIDE), dtype=np.uint8)
    soft = soft_targets(trained, few)
    assert np.allclose(soft.sum(1), 1)

    def drift(distill: float) -> float:
        student = add_class(trained, FOOLING_CLASS, seed=0)
        settings = TrainingSettings(epochs=20, batch=10)
        harden(student, TrainingSet(few, fooling, 3), settings=settings, distill=distill, soft=soft)
        assert (student.confidences(fooling).argmax(1) == 3).mean() > 0.8
        return float(np.abs(student.confidences(test.images)[:, :3] - trained.confidences(test.images)).mean())

    assert drift(1.0) < drift(0.0)


def test_images_are_collected_at_several_moments(trained):
    assert moments(100, 1) == [100]
    assert moments(9, 2) == [0, 9]
    assert moments(3, 10) == [0, 1, 2, 3]
    at = moments(100, 10)
    assert len(at) == 10
    assert at == sorted(set(at))
    assert at[-1] == 100
    evolved, history = evolve_images(trained, EvolveConfig(encoding=Cppn()), classes=3, at=[0, 2, 5], batch=20, seed=1)
    assert [row["generation"] for row in history] == list(range(6))
    assert len({image.tobytes() for image in evolved.images}) >= len(evolved.images) - 2
    own = trained.confidences(evolved.images)
    assert np.allclose(own[np.arange(len(own)), evolved.classes], evolved.confidence)
    assert np.allclose(own[evolved.elites, range(3)], evolved.elite_confidence)


def test_the_paper_trains_on_what_its_own_search_ends_with(trained, data, monkeypatch):
    searches = []

    def evolve_and_tell(*arguments, config, **others):
        searches.append(config)
        return evolve(*arguments, config=config, **others)

    monkeypatch.setattr(fooling, "evolve", evolve_and_tell)
    settings = TINY.model_copy(update={**PRESETS["paper-retrain"], "images_per_class": 2})
    result = retrain(trained, data, rounds=1, settings=settings)
    # Of each of two evolutions of three classes only the last elites.
    assert result.rounds[1].fooling_images <= 2 * 3
    for search in searches:
        assert search.encoding == Cppn(coordinates="pixel", initial_mutations=0)
        assert search.strategy == MapElites()


def test_another_precision_evolves_and_float32_states(trained, data, monkeypatch):
    precisions = []

    def evolve_and_tell(classifier, **others):
        precisions.append(classifier.precision)
        return evolve(classifier, **others)

    monkeypatch.setattr(fooling, "evolve", evolve_and_tell)
    result = retrain(trained, data, rounds=1, settings=TINY.model_copy(update={"precision": "bfloat16"}))
    assert set(precisions) == {"bfloat16"}
    assert result.classifier.precision == "float32"
    own = result.classifier.confidences(result.images)[np.arange(3), np.arange(3)]
    assert np.array_equal(own, result.confidence)


def test_contradictions_are_refused(trained, data):
    with pytest.raises(ConfigError, match="freeze"):
        retrain(trained, data, rounds=1, settings=RetrainSettings(fresh=True, freeze_features=True))
    with pytest.raises(ConfigError, match="rounds"):
        retrain(trained, data, rounds=0)
    with pytest.raises(ModelError, match="already"):
        retrain(add_class(trained, FOOLING_CLASS, seed=0), data, rounds=1)


def test_a_widened_network_is_checked_on_the_real_folders(trained, data):
    widened = add_class(trained, FOOLING_CLASS, seed=0)
    assert accuracy(widened, data).images == 63


def write_idx(folder: Path, stem: str, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % 10
    images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    (folder / f"{stem}-images-idx3-ubyte").write_bytes(
        b"\0\0\x08\x03" + np.array(images.shape, ">i4").tobytes() + images.tobytes()
    )
    (folder / f"{stem}-labels-idx1-ubyte").write_bytes(
        b"\0\0\x08\x01" + np.array([count], ">i4").tobytes() + labels.tobytes()
    )


def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_idx(tmp_path / "data", "train", 60, 0)
    write_idx(tmp_path / "data", "t10k", 20, 1)
    run = tmp_path / "run"
    small = ["--images-per-class", "3", "--generations", "2", "--batch", "20", "--epochs", "1", "--quiet", "--json"]
    options = ["--weights", "none", "--data", "data", "--rounds", "2", *small, "--out", str(run)]
    assert run_cli(["retrain", *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [one["round"] for one in result["rounds"]] == [0, 1, 2]
    assert result["weights"] == str(run / "weights" / "round-2.safetensors")
    for name in ("rounds.png", "rounds.html", "gallery.png", "report.html", "metrics.jsonl", "images/9.png"):
        assert (run / name).stat().st_size > 0
    with Image.open(run / "rounds.png") as figure:
        assert figure.width > 1000

    hardened = ["--weights", result["weights"]]
    assert run_cli(["check", "--model", "lenet-mnist", *hardened, "--data", "data", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert 1 - checked["top1"] == pytest.approx(result["rounds"][2]["test_error"])
    evolve = ["evolve", *hardened, "--generations", "1", "--batch", "20", "--out", "evolved", "--quiet", "--json"]
    assert run_cli(evolve) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == 11

    assert run_cli(["resume", str(run), "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rounds"] == result["rounds"]
    assert run_cli(["resume", str(run), "--generations", "5"]) == 2
    assert run_cli(["retrain", *options]) == 2
    capsys.readouterr()

    paper = [*options, "--preset", "paper-retrain", "--continue", "--rounds", "1", "--out", "paper"]
    assert run_cli(["retrain", *paper]) == 0
    way = read_retrain_config(RunFolder.open(tmp_path / "paper")).retrain
    assert (way.search, way.moments, way.fresh, way.images_per_class) == ("paper", 1, False, 3)


def test_the_figure_needs_a_round(trained, data, tmp_path):
    result = retrain(trained, data, rounds=1, settings=TINY, out=tmp_path / "run", stop=lambda: True)
    with pytest.raises(RunError, match="no complete round"):
        write_rounds(result.folder, png=tmp_path / "a.png", html=tmp_path / "a.html")


def test_the_figure_shows_every_network_and_its_numbers(trained, data, tmp_path):
    result = retrain(trained, data, rounds=2, settings=TINY, out=tmp_path / "run")
    for name in ("a", "b"):
        write_rounds(result.folder, png=tmp_path / f"{name}.png", html=tmp_path / f"{name}.html")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    page = (tmp_path / "a.html").read_text()
    assert page == (tmp_path / "b.html").read_text()
    figure, confidence, *others = re.findall("<svg.*?</svg>", page)
    assert len(others) == 3
    assert figure.count("<image ") == 3 * 3
    shown = re.findall("<text.*?>(.*?)</text>", figure)
    for number, one in enumerate(result.rounds):
        assert shown.count(f"DNN{number + 1}") == 1
        assert percent(one.median_confidence) in shown
        assert percent(one.test_error) in shown
    assert [path.count("L") for path in re.findall(r'd="([^"]*)" style="[^"]*stroke: var\(--c1\)', confidence)] == [2]


def test_metrics_that_lack_a_number_are_an_error(trained, data, tmp_path):
    result = retrain(trained, data, rounds=1, settings=TINY, out=tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_text("{}\n{}\n")
    with pytest.raises(RunError, match="has 0 lines for 2 rounds"):
        write_rounds(result.folder, png=tmp_path / "a.png", html=tmp_path / "a.html")


def test_numbers_written_as_text_are_numbers(trained, data, tmp_path):
    result = retrain(trained, data, rounds=1, settings=TINY, out=tmp_path / "run")
    metrics = tmp_path / "run/metrics.jsonl"
    metrics.write_text(re.sub(r'"test_error": ([0-9.]+)', r'"test_error": "\1"', metrics.read_text()))
    assert '"test_error": "' in metrics.read_text()
    write_rounds(result.folder, png=tmp_path / "a.png", html=tmp_path / "a.html")
    assert resume_retrain(tmp_path / "run", judge=trained).rounds == result.rounds


def test_settings_that_lack_a_seed_have_the_usual_one(trained, data, tmp_path):
    retrain(trained, data, rounds=1, settings=TINY, out=tmp_path / "run")
    config = tmp_path / "run/config.toml"
    config.write_text(config.read_text().replace("\nseed = 0\n", "\n"))
    folder = RunFolder.open(tmp_path / "run")
    assert "seed" not in folder.config
    write_rounds(folder, png=tmp_path / "a.png", html=tmp_path / "a.html")
    assert "seed 0" in (tmp_path / "a.html").read_text()


def test_class_names_are_escaped_in_the_page(data, tmp_path):
    evil = network().with_module(network().module, ("<script>", "$x$", r"$\frac"))
    frozen = TINY.model_copy(update={"freeze_features": True, "learning_rate": None})
    result = retrain(evil, data, rounds=1, settings=frozen, out=tmp_path / "run")
    write_rounds(result.folder, png=tmp_path / "a.png", html=tmp_path / "a.html")
    assert "<script>" not in (tmp_path / "a.html").read_text()
    assert "&lt;script&gt;" in (tmp_path / "a.html").read_text()


def test_the_last_network_made_the_images_and_the_first_is_another(tmp_path, monkeypatch):
    write_digits(tmp_path, "train", 60)
    write_digits(tmp_path, "t10k", 30)
    settings = RetrainSettings(generations=2, batch=20, images_per_class=1, epochs=1)
    retrain("lenet-mnist", tmp_path, rounds=1, settings=settings, out=tmp_path / "run")
    images = read_fooling_images(tmp_path / "run", [])
    last = load_classifier("lenet-mnist", weights=tmp_path / "run/weights/round-1.safetensors")
    assert same_classifier(images.source, last)
    result = transfer(tmp_path / "run", ["lenet-mnist", last]).results[0]
    assert result.itself == (False, True)
    np.testing.assert_array_equal(result.confidence[1], images.confidence)


def test_pictures_of_a_round_that_does_not_count_are_not_shown(trained, data, tmp_path):
    retrain(trained, data, rounds=1, settings=TINY, out=tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    before = [elite.pixels for elite in folder.elites()]
    folder.write_images({0: 255 - before[0]})  # as a process leaves it that is killed before its checkpoint
    assert np.array_equal(folder.elites()[0].pixels, before[0])
