"""The generative hypothesis, from the command line to the figure."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from digits import write_digits
from PIL import Image

from neatfool import RunFolder, load_classifier
from neatfool.cli import run
from neatfool.errors import ConfigError, RunError
from neatfool.experiments.hypothesis import hypothesis
from neatfool.experiments.hypothesis.figure import BINS, histogram, position
from neatfool.experiments.hypothesis.images import control_images, run_images
from neatfool.experiments.hypothesis.result import ImageGroup
from neatfool.models.density import Thresholds
from neatfool.search import evolve


def group(log_likelihood: list[float], thresholds: Thresholds, **more: object) -> ImageGroup:
    """Images of class 3 for certain, with these log p(x)."""
    joint = np.full((len(log_likelihood), 10), -np.inf)
    joint[:, 3] = log_likelihood
    images = np.zeros((len(joint), 1, 28, 28), np.uint8)
    return ImageGroup("some", "evolved", images, joint, np.full(len(joint), 3), thresholds)


def test_what_is_rejected():
    some = group([-90.0, -50.0, -20.0, -2.0], Thresholds(-60.0, -70.0, -10.0))
    assert some.rejected_low == 0.25
    assert some.rejected_typical == 0.5
    assert some.bits == pytest.approx(np.array([90, 50, 20, 2]) / (784 * math.log(2)))
    summary = some.summary()
    assert summary["median_confidence_in_target"] == summary["classified_as_target"] == 1
    assert summary["share_over_99"] == 1


def test_confidence_where_rejection_is_a_class():
    some = group([-60.0, -59.0, -10.0, -9.0], Thresholds(-60.0, -70.0, -10.0))
    assert some.confidence("none") == pytest.approx([1, 1, 1, 1])
    assert some.confidence("low") == pytest.approx([1 / 2, 1 / (1 + math.exp(-1)), 1, 1])
    assert some.confidence("typical") == pytest.approx([1, 1, 1 / 2, 1 / (1 + math.e)], abs=1e-4)


def test_the_histogram_counts_every_image_once():
    counts = histogram(group([-1500.0] * 3 + [-5000.0, -1e9], Thresholds(-60.0, -70.0, -10.0)))
    assert counts.shape == (BINS,)
    assert counts.sum() == 5
    assert counts[-1] == 1  # beyond the axis, so in its last bin
    assert counts[int(position(1500 / 784 / math.log(2)) * BINS)] == 3


def test_controls_are_what_they_are_called():
    digits = np.random.default_rng(0).integers(0, 256, (6, 1, 28, 28), dtype=np.uint8)
    made = control_images(digits, count=6, seed=1)
    assert not made["black"].any()
    assert (made["digits, inverted"] + digits == 255).all()
    assert (made["digits, a quarter turn"][2, 0, 0] == digits[2, 0, :, -1]).all()
    shuffled = made["digits, pixels shuffled"]
    assert (np.sort(shuffled.reshape(6, -1)) == np.sort(digits.reshape(6, -1))).all()
    assert not (shuffled == digits).all((1, 2, 3)).any()
    assert all((image == image[0, 0, 0]).all() for image in made["one gray all over"])
    assert {name: len(images) for name, images in made.items()}["uniform noise"] == 6
    again = control_images(digits, count=6, seed=1)
    assert all((images == again[name]).all() for name, images in made.items())


def test_wrong_settings_and_folders_are_refused(tmp_path):
    write_digits(tmp_path, "t10k", 20)
    with pytest.raises(ConfigError, match="temperature"):
        hypothesis(data=tmp_path, out=tmp_path / "out", temperature=0)
    with pytest.raises(ConfigError, match="controls"):
        hypothesis(data=tmp_path, out=tmp_path / "out", controls=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made"):
        hypothesis(data=tmp_path, out=tmp_path / "file" / "below")


def test_runs_that_are_not_of_digits_are_refused(tmp_path):
    (tmp_path / "m.py").write_text("")
    classifier = load_classifier("lenet-mnist", weights="none", device="cpu")
    evolve(classifier, generations=0, batch=20, classes="0-1", out=tmp_path / "digits")
    images, targets = run_images(RunFolder.open(tmp_path / "digits"))
    assert images.shape == (2, 1, 28, 28)
    assert targets.tolist() == [0, 1]
    manifest = tmp_path / "digits" / "manifest.json"
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**values, "class_names": [*values["class_names"], "fooling"]}))
    with pytest.raises(RunError, match="not a run on MNIST digits"):
        run_images(RunFolder.open(tmp_path / "digits"))


class Page(HTMLParser):
    """Counts elements, and collects what they would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.mark.slow
def test_from_training_to_the_figure(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_digits(tmp_path, "train", 120)
    write_digits(tmp_path, "t10k", 60)
    lenet = load_classifier("lenet-mnist", weights="none", device="cpu")
    evolve(lenet, generations=1, batch=20, out="against <lenet>")

    train = [
        "train",
        "--model",
        "density-mnist",
        "--data",
        ".",
        "--epochs",
        "2",
        "--out",
        "d.safetensors",
        "--device",
        "cpu",
    ]
    assert run([*train, "--quiet"]) == 0
    assert run(["check", "--model", "density-mnist-reject", "--weights", "d.safetensors", "--data", ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 60

    call = ["hypothesis", "--data", ".", "--run", "against <lenet>", "--weights", "d.safetensors", "--device", "cpu"]
    call += ["--batch", "20", "--out", "h", "--json", "--quiet"]
    assert run([*call, "--generations", "1"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((tmp_path / "h" / "hypothesis.json").read_text())
    assert result["complete"]
    assert [one["name"] for one in result["groups"] if one["kind"] == "evolved"] == [
        "against <lenet>, against lenet-mnist"
    ]
    assert result["groups"][0]["images"] == 30
    noise = next(one for one in result["groups"] if one["name"] == "uniform noise")
    assert noise["rejected_one_sided"] == noise["rejected_two_sided"] == 1
    assert [(one["encoding"], one["defence"]) for one in result["attacks"]] == [
        (encoding, defence) for encoding in ("cppn", "direct") for defence in ("none", "low", "typical")
    ]
    for one in result["attacks"]:
        assert one["evaluations"] == 40
        row = json.loads((Path(one["run"]) / "metrics.jsonl").read_text().splitlines()[-1])
        assert one["median_confidence_reached"] == pytest.approx(row["median_confidence"], abs=2e-3)
    assert result["baselines"][0]["evaluations"] == 40
    low = result["thresholds"]["low"]
    assert low["bits_per_dimension"] == pytest.approx(-low["log_likelihood"] / 784 / math.log(2))

    with Image.open("h/hypothesis.png") as picture:
        assert picture.width > 1000
    text = (tmp_path / "h" / "hypothesis.html").read_text()
    page = Page(text)
    assert "against <lenet>" not in text
    assert page.count["svg"] == 2
    assert page.count["image"] == len(result["groups"]) + len(result["attacks"])  # examples of each
    assert page.count["img"] == 10 * (1 + len(result["attacks"]))
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)

    # The classifier it wrote has the thresholds, and its runs are ordinary runs, which a further call goes on with.
    written = load_classifier(
        "density-mnist-reject", weights=tmp_path / "h" / "density-mnist.safetensors", device="cpu"
    )
    assert float(written.module.thresholds[0]) == pytest.approx(low["log_likelihood"], rel=1e-6)
    assert run([*call, "--generations", "2"]) == 0
    longer = json.loads(capsys.readouterr().out)
    assert all(one["evaluations"] == 60 for one in longer["attacks"])
    assert longer["groups"] == result["groups"]
    assert run([*call, "--generations", "2", "--seed", "5"]) == 2
    assert "another --out" in capsys.readouterr().err


@pytest.mark.slow
def test_interrupted_after_the_first_generation(tmp_path):
    write_digits(tmp_path, "t10k", 60)
    (tmp_path / "out").mkdir()
    seen = []
    result = hypothesis(
        data=tmp_path,
        out=tmp_path / "out",
        weights="none",
        generations=3,
        batch=20,
        temperature=100,
        controls=4,
        device="cpu",
        progress=seen.append,
        stop=lambda: len(seen) > 1,
    )
    assert not result.complete
    assert {group.name: len(group.images) for group in result.groups} == {
        "test digits": 30,
        "black": 1,
        "one gray all over": 255,
        **dict.fromkeys(
            ("uniform noise", "random CPPNs", "digits, inverted", "digits, a quarter turn", "digits, pixels shuffled"),
            4,
        ),
    }
    assert len(result.attacks) == 1
    (attack,) = result.attacks
    assert attack.evaluations == 40
    # Untrained, it is not sure of anything at this temperature, and of some images at temperature 1.
    assert attack.curve[-1, 1] < 0.3
    assert attack.confidence.max() > 0.3
