"""Accuracy and the training loop."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from neatfool.classifiers import add_class
from neatfool.cli import app
from neatfool.data import ImageArray
from neatfool.errors import ConfigError, ModelError
from neatfool.models import load_classifier
from neatfool.training import TrainingSettings, accuracy, fit, save_classifier, train_classifier


def test_caffe_lenet_is_right_on_mnist(shared: Path) -> None:
    classifier = load_classifier("lenet-mnist", weights=shared / "weights/lenet_caffe_mnist.safetensors", device="cpu")
    found = accuracy(classifier, shared / "data")
    assert found.images == 10000
    assert found.top1 == pytest.approx(0.9918, abs=0.0002)


def test_shipped_lenet_is_right_on_mnist(shared: Path) -> None:
    assert accuracy(load_classifier(device="cpu"), shared / "data").top1 >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("model", "top1"), [("squeezenet1_0", 0.619), ("mobilenet_v2", 0.779)])
def test_imagenet_weights_are_right_on_photographs(shared: Path, model: str, top1: float) -> None:
    classifier = load_classifier(model, weights=shared / f"weights/{model}_imagenet.safetensors", device="cpu")
    found = accuracy(classifier, shared / "data/imagenet-sample/val")
    assert found.images == 1000
    assert found.top1 == pytest.approx(top1, abs=0.005)


def blobs(n: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of one bright square each, whose place is the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    images = rng.integers(0, 60, (n, 1, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[0, row * 8 : row * 8 + 6, column * 7 : column * 7 + 6] += 150
    return torch.from_numpy(images), torch.from_numpy(labels)


SETTINGS = TrainingSettings(epochs=6, batch=20, learning_rate=0.05, seed=3)


@pytest.mark.parametrize("model", ["lenet-mnist", "mlp-mnist"])
def test_training_learns_and_repeats_itself(model: str) -> None:
    state = torch.get_rng_state()
    images, labels = blobs(300, 10)
    test = ImageArray(*blobs(100, 10, seed=1))
    seen: list[int] = []
    first, history = train_classifier(
        model,
        images,
        labels,
        settings=SETTINGS,
        test=test,
        device="cpu",
        progress=lambda epoch: seen.append(epoch.epoch),
    )
    assert seen == [1, 2, 3, 4, 5, 6]
    assert history[-1].accuracy == accuracy(first, test).top1 > 0.95
    assert history[-1].loss < history[0].loss
    again, _ = train_classifier(model, images, labels, settings=SETTINGS, device="cpu")
    assert again.weights_hash() == first.weights_hash()
    assert torch.equal(torch.get_rng_state(), state)
    assert not first.module.training
    assert not any(parameter.requires_grad for parameter in first.module.parameters())


def test_one_more_class_keeps_the_others_and_can_be_learnt(tmp_path: Path) -> None:
    images, labels = blobs(300, 10)
    known, _ = train_classifier("mlp-mnist", images, labels, settings=SETTINGS, device="cpu")
    wider = add_class(known, "fooling", seed=0)
    x = images[:5].float()
    assert wider.class_names == (*known.class_names, "fooling")
    torch.testing.assert_close(wider.logits(x)[:, :10], known.logits(x))
    more, more_labels = blobs(300, 11, seed=2)
    fit(wider, more, more_labels, settings=SETTINGS)
    assert accuracy(wider, ImageArray(more, more_labels)).top1 > 0.95
    assert known.n_classes == 10

    save_classifier(wider, tmp_path / "wider.safetensors", notes={"recipe": "test"})
    loaded = load_classifier("mlp-mnist", weights=tmp_path / "wider.safetensors", device="cpu")
    assert loaded.class_names == wider.class_names
    assert loaded.weights_hash() == wider.weights_hash()
    assert [path.name for path in tmp_path.iterdir()] == ["wider.safetensors"]


def test_a_convolutional_head_can_be_widened() -> None:
    classifier = load_classifier("squeezenet1_1", weights="none", device="cpu")
    wider = add_class(classifier, "fooling", seed=0)
    assert wider.n_classes == 1001
    x = torch.full((1, 3, 224, 224), 100.0)
    torch.testing.assert_close(wider.logits(x)[:, :1000], classifier.logits(x))


def test_wrong_training_is_refused(tmp_path: Path) -> None:
    images, labels = blobs(40, 10)
    with pytest.raises(ModelError, match="can be trained from scratch here, not 'alexnet'"):
        train_classifier("alexnet", images, labels)
    with pytest.raises(ValueError, match="labels must be from 0 to 9"):
        train_classifier("mlp-mnist", images, labels + 1, device="cpu")
    with pytest.raises(ValueError, match="one per image"):
        train_classifier("mlp-mnist", images, labels[:-1], device="cpu")
    with pytest.raises(ValueError, match=r"\(N, 1, 28, 28\)"):
        train_classifier("mlp-mnist", images.float(), labels, device="cpu")
    with pytest.raises(ConfigError, match="epochs and batch"):
        TrainingSettings(epochs=0)
    with pytest.raises(ConfigError, match="learning_rate"):
        TrainingSettings(learning_rate=-1)
    with pytest.raises(ConfigError, match="diverged in epoch"):
        train_classifier(
            "lenet-mnist", images, labels, settings=TrainingSettings(epochs=5, learning_rate=1e9), device="cpu"
        )
    classifier = load_classifier("mlp-mnist", weights="none", device="cpu")
    with pytest.raises(ModelError, match=r"ends in \.safetensors"):
        save_classifier(classifier, tmp_path / "w.pth", notes={})
    with pytest.raises(ModelError, match="choose a folder that exists"):
        save_classifier(classifier, tmp_path / "absent" / "w.safetensors", notes={})


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("w.pth", r"ends in \.safetensors"),
        ("absent/w.safetensors", "choose a folder that exists"),
        ("folder.safetensors", "it is a folder"),
    ],
)
def test_where_weights_go_is_checked_before_the_training(out: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    # There are no data either, which would be said next.
    found = CliRunner().invoke(app, ["train", "--data", str(tmp_path), "--out", str(tmp_path / out)])
    assert isinstance(found.exception, ModelError)
    assert re.search(message, str(found.exception))
