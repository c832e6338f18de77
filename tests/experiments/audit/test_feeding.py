import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import neatfool as nf
from neatfool.data import batches, open_dataset
from neatfool.experiments.audit.feeding import Feeding, FeedingTrial, examine_feeding
from neatfool.runs import StopRequestedError
from neatfool.shared.progress import Progress

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Nearest(nn.Module):
    """Sees the image as a few numbers; the class of the nearest prototype is the likeliest."""

    def __init__(self, prototypes: np.ndarray, size: int = 2, sharpness: float = 30.0) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.tensor(prototypes, dtype=torch.float32))
        self.size, self.sharpness = size, sharpness

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = nn.functional.adaptive_avg_pool2d(x, self.size).flatten(1)
        return -self.sharpness * torch.cdist(seen, self.prototypes)


class Before(nn.Module):
    """A network that its images reach in another way."""

    def __init__(self, network: nn.Module, change) -> None:
        super().__init__()
        self.network, self.change = network, change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(self.change(x))


class After(nn.Module):
    """A network whose outputs are in another order: output k was output order[k]."""

    def __init__(self, network: nn.Module, order: np.ndarray) -> None:
        super().__init__()
        self.network, self.order = network, torch.tensor(order)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)[:, self.order]


class World:
    """Classes that are patterns of 2x2 tiles, images of them with noise, and a network that knows the patterns."""

    def __init__(self, classes: int = 40, each: int = 4, channels: int = 3) -> None:
        rng = np.random.default_rng(7)
        # Dark ones, far apart, so that neither another range nor inversion leaves them as they are.
        patterns = rng.uniform(20, 200, (classes, channels, 2, 2))
        self.labels = np.repeat(np.arange(classes), each)
        tiled = patterns.repeat(4, axis=2).repeat(4, axis=3)[self.labels]
        self.images = np.clip(tiled + rng.normal(0, 8, tiled.shape), 0, 255).astype(np.uint8)
        self.channels = channels
        self.mean, self.std = (MEAN, STD) if channels == 3 else ((0.0,), (1.0,))
        column = (1, channels, 1, 1)
        normalised = (patterns / 255 - np.reshape(self.mean, column)) / np.reshape(self.std, column)
        self.network = Nearest(normalised.reshape(classes, -1))

    def examine(self, module: nn.Module | None = None, *, names=None, labels=None, **settings) -> Feeding:
        wanted = {"mean": self.mean, "std": self.std, **settings}
        classifier = nf.Classifier(
            module or self.network, input_size=8, channels=self.channels, class_names=names, device="cpu", **wanted
        )
        return examine_feeding(classifier, self.images, self.labels if labels is None else labels)


def trial(feeding: Feeding, name: str) -> FeedingTrial:
    return next(one for one in feeding.trials if one.name == name)


def test_a_network_that_is_fed_right_raises_nothing():
    found = World().examine()
    assert found.suspicion is None
    assert found.images == 160 and found.top1 > 0.98
    assert not any(one.better for one in found.trials)
    assert all(one.images == 50 for one in found.trials if "pixels" in one.name)


def test_figures_are_those_of_plain_numpy():
    world = World(channels=1)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(160) < 0.3, rng.integers(0, 40, 160), world.labels)
    classifier = nf.Classifier(
        Nearest(world.network.prototypes.detach().numpy(), sharpness=4), input_size=8, channels=1
    )
    found = examine_feeding(classifier, world.images, labels)
    confidences = classifier.confidences(world.images).astype(float)
    order = np.argsort(-confidences, axis=1)
    right, sure = order[:, 0] == labels, confidences.max(1)
    assert found.top1 == right.mean()
    assert found.top5 == (order[:, :5] == labels[:, None]).any(1).mean()
    assert found.mean_confidence == pytest.approx(sure.mean())
    places = np.floor(sure * 15)
    gaps = [abs(right[places == b].sum() - sure[places == b].sum()) / len(sure) for b in range(15)]
    assert found.ece == pytest.approx(sum(gaps), abs=1e-6)
    assert 0.02 < found.ece < 0.9


@pytest.mark.parametrize(
    ("settings", "better", "advice"),
    [
        (
            {"mean": None, "std": None},
            "mean and std of ImageNet",
            r"not normalised .*; pass mean=\(0.485, .* std=\(0.229",
        ),
        ({"mean": None, "std": None, "scale": 1.0}, "mean and std of ImageNet", r"now black is 0, white 255"),
        ({"mean": (0.9,) * 3, "std": (0.2,) * 3}, "mean and std of ImageNet", r"now black is -4.5, white 0.5\)"),
    ],
)
def test_another_range_is_named(settings, better, advice):
    found = World().examine(**settings)
    assert trial(found, better).better and trial(found, better).top1 > 0.98
    assert found.suspicion.startswith("Accuracy is ") and f"With {better} it is " in found.suspicion
    assert re.search(advice, found.suspicion)


def test_a_network_of_raw_pixels_is_named():
    world = World()
    found = world.examine(
        Before(world.network, lambda x: (x / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    )
    assert "With pixels from 0 to 255 it is" in found.suspicion and "pass scale=1" in found.suspicion


def test_reversed_channels_are_named():
    world = World()
    found = world.examine(Before(world.network, lambda x: x.flip(1)))
    assert "BGR" in found.suspicion and "With channels reversed it is" in found.suspicion
    assert trial(found, "channels reversed").top1 > 0.98


def test_two_mistakes_are_found_together():
    world = World()
    found = world.examine(Before(world.network, lambda x: x.flip(1)), mean=None, std=None)
    assert "With mean and std of ImageNet, channels reversed it is" in found.suspicion
    assert trial(found, "mean and std of ImageNet, channels reversed").top1 > 0.98


@pytest.mark.parametrize(
    ("change", "name"), [(lambda x: 1 - x, "inverted"), (lambda x: x.transpose(2, 3), "transposed")]
)
def test_gray_images_that_are_inverted_or_transposed_are_named(change, name):
    world = World(channels=1)
    assert world.examine().suspicion is None
    found = world.examine(Before(world.network, change))
    assert f"With {name} it is" in found.suspicion


@pytest.mark.parametrize("inverse", [False, True])
def test_classes_sorted_as_text_are_named(inverse):
    world = World(each=1)
    text = np.array(sorted(range(40), key=str))
    found = world.examine(After(world.network, np.argsort(text) if inverse else text))
    assert "sorted as text" in found.suspicion and "class_names" in found.suspicion
    assert max(one.top1 for one in found.trials) > 0.98


def test_classes_sorted_by_name_and_moved_by_one_are_named():
    world = World(each=1)
    names = [f"class {name}" for name in np.random.default_rng(0).permutation(1000)[:40]]
    alphabet = np.array(sorted(range(40), key=names.__getitem__))
    assert "alphabetical" in world.examine(After(world.network, alphabet), names=names).suspicion
    found = world.examine(After(world.network, (np.arange(40) + 1) % 40))
    assert "moved down by one" in found.suspicion


def test_any_order_is_found_where_there_are_images_to_test_it_on():
    world = World()
    found = world.examine(After(world.network, np.random.default_rng(1).permutation(40)))
    assert "order of classes that was fitted on every second image" in found.suspicion
    fitted = trial(found, "an order of classes that was fitted on every second image of each class")
    assert fitted.images == 80 and fitted.top1 > 0.98 and fitted.before < 0.1


def test_two_classes_that_changed_places_are_found():
    world = World(classes=10, each=20)
    found = world.examine(After(world.network, np.array([0, 1, 2, 7, 4, 5, 6, 3, 8, 9])))
    assert found.top1 < 0.81 and "fitted" in found.suspicion


def test_an_order_that_cannot_be_found_out_is_suspected_where_the_network_tells_images_apart():
    world = World(each=1)
    found = world.examine(After(world.network, np.random.default_rng(1).permutation(40)))
    assert "as good as chance" in found.suspicion and "most likely it is fed right" in found.suspicion
    assert "two images of each class are needed" in found.suspicion
    assert not any(one.better for one in found.trials)


def test_classes_of_another_list_are_suspected_however_the_images_are_sorted():
    world = World(classes=10, each=300)
    # The labels have nothing to do with the images; the first 300 images, and more, are of one class.
    found = world.examine(labels=np.random.default_rng(0).integers(0, 10, 3000))
    assert "as good as chance" in found.suspicion and "its classes are others" in found.suspicion
    assert "two images" not in found.suspicion


def test_a_network_that_does_not_look_is_told_from_one_in_another_order():
    world = World()
    found = world.examine(Before(world.network, lambda x: x * 1e-3))
    assert "as good as chance" in found.suspicion and "hardly depend on the image" in found.suspicion


def test_a_network_much_too_sure_is_suspected():
    world = World(classes=10, each=20)
    rng = np.random.default_rng(0)
    found = world.examine(labels=np.where(rng.random(200) < 0.85, rng.integers(0, 10, 200), world.labels))
    assert 0.15 < found.top1 < 0.35 and found.mean_confidence > 0.95
    assert "Check labels and class names" in found.suspicion


def test_a_few_images_raise_no_suspicion_of_chance():
    world = World(each=1)
    classifier = nf.Classifier(world.network, input_size=8, mean=MEAN, std=STD, device="cpu")
    found = examine_feeding(classifier, world.images[:5], (world.labels[:5] + 1) % 40)
    assert found.top1 == 0 and found.suspicion is None


def test_the_classifier_is_left_as_it_was():
    world = World()
    classifier = nf.Classifier(world.network, input_size=8, mean=MEAN, std=STD, device="cpu")
    before = classifier.fingerprint(), classifier.confidences(world.images)
    torch_state = torch.get_rng_state()
    examine_feeding(classifier, world.images, (world.labels + 3) % 40)
    assert classifier.fingerprint() == before[0]
    np.testing.assert_array_equal(classifier.confidences(world.images), before[1])
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_a_trial_that_the_network_cannot_take_is_left_out():
    def refuse(x):
        if float(x.abs().max()) > 50:
            raise RuntimeError("too bright")
        return x

    world = World()
    found = world.examine(Before(world.network, refuse))
    assert found.suspicion is None
    assert not any("255" in one.name for one in found.trials)


def test_the_same_inputs_give_the_same_summary_ready_for_json():
    world = World()
    one, other = (json.dumps(world.examine(mean=None, std=None).summary()) for _ in range(2))
    assert one == other
    summary = json.loads(one)
    assert set(summary) == {"images", "top1", "top5", "mean_confidence", "ece", "suspicion", "trials"}
    assert {"name", "change", "top1", "mean_confidence"} < set(summary["trials"][0])


def test_bad_input_is_refused(monkeypatch):
    world = World()
    with pytest.raises(ValueError, match="160 classes below 40"):
        world.examine(labels=world.labels + 1)
    with pytest.raises(ValueError, match="160 classes below 40"):
        world.examine(labels=world.labels[:-1])
    classifier = nf.Classifier(world.network, input_size=8, device="cpu")
    with pytest.raises(nf.DataError, match="no real images"):
        examine_feeding(classifier, world.images[:0], world.labels[:0])
    with pytest.raises(ValueError, match="uint8"):
        examine_feeding(classifier, world.images.astype(float), world.labels)
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.classification", None)
    with pytest.raises(nf.ConfigError, match=r"pip install 'neatfool\[audit\]'"):
        world.examine()


def test_progress_ends_at_the_total_and_stop_ends_it_at_once():
    world = World()
    classifier = nf.Classifier(world.network, input_size=8, mean=MEAN, std=STD, device="cpu")
    told: list[Progress] = []
    examine_feeding(classifier, world.images, world.labels, progress=told.append)
    assert told[-1].done == told[-1].total and [one.done for one in told] == sorted(one.done for one in told)
    with pytest.raises(StopRequestedError):
        examine_feeding(classifier, world.images, world.labels, stop=lambda: True)


def digits(shared: Path, module=None) -> Feeding:
    classifier = nf.load_classifier(
        "lenet-mnist", weights=shared / "weights/lenet_caffe_mnist.safetensors", device="cpu"
    )
    if module:
        classifier = classifier.with_module(module(classifier.module), classifier.class_names)
    images, labels = next(batches(open_dataset(shared / "data", classifier), 500))
    return examine_feeding(classifier, images, labels)


def test_lenet_on_mnist_raises_nothing(shared: Path) -> None:
    found = digits(shared)
    assert found.suspicion is None and found.top1 > 0.97


def test_lenet_on_inverted_mnist_is_named(shared: Path) -> None:
    found = digits(shared, lambda module: Before(module, lambda x: 255 / 256 - x))
    assert "With inverted it is" in found.suspicion


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (None, None),
        ("unnormalised", "With mean and std of ImageNet it is"),
        ("raw", "With mean and std of ImageNet it is"),
        ("bgr", "With channels reversed it is"),
        ("shuffled", "most likely it is fed right, and its classes are others"),
        ("text", "sorted as text"),
    ],
)
def test_mistakes_with_a_real_network_are_named(shared: Path, mistake: str | None, words: str | None) -> None:
    right = nf.load_classifier(
        "squeezenet1_0", weights=shared / "weights/squeezenet1_0_imagenet.safetensors", device="cpu"
    )
    settings, module = right.preprocessing(), right.module
    if mistake in ("unnormalised", "raw"):
        settings |= {"mean": None, "std": None, "scale": 1 / 255 if mistake == "unnormalised" else 1.0}
    elif mistake == "bgr":
        module = Before(module, lambda x: x.flip(1))
    elif mistake == "shuffled":
        module = After(module, np.random.default_rng(0).permutation(1000))
    elif mistake == "text":
        module = After(module, np.array(sorted(range(1000), key=str)))
    classifier = nf.Classifier(module, **settings, class_names=right.class_names, device="cpu")
    data = open_dataset(shared / "data/imagenet-sample/val", classifier)
    images, labels = next(batches(torch.utils.data.Subset(data, range(0, 1000, 4)), 250))
    found = examine_feeding(classifier, images, labels)
    assert found.suspicion is None if words is None else words in found.suspicion
