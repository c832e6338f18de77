"""Data sets, accuracy and the training loop."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from neatfool.classifiers.added_class import add_class
from neatfool.classifiers.classifier import Classifier
from neatfool.data.datasets import ImageArray, open_dataset, read_mnist
from neatfool.errors import ConfigError, DataError, ModelError
from neatfool.models import load_classifier
from neatfool.training.accuracy import accuracy
from neatfool.training.loop import TrainingSettings, fit, save_classifier, train_classifier

Shared = Callable[[str], Path]


class Brightness(nn.Module):
    """Says how near the image's mean is to 0, 0.1, ..., 1: class i is a gray of i/10."""

    def __init__(self, classes: int = 11) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.arange(classes) / 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -100 * (x.mean((1, 2, 3)).unsqueeze(1) - self.levels).abs()


def brightness(channels: int = 3, side: int = 8) -> Classifier:
    return Classifier(Brightness(), input_size=side, channels=channels, device="cpu", chunk=4, name="brightness")


def write_idx(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())


def write_mnist(folder: Path, images: np.ndarray, labels: np.ndarray, stem: str = "t10k") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_idx(folder / f"{stem}-images-idx3-ubyte", images)
    write_idx(folder / f"{stem}-labels-idx1-ubyte", labels)


def grays(levels: list[int], side: int = 8) -> np.ndarray:
    return np.repeat(np.array(levels, np.uint8), side * side).reshape(-1, side, side)


@pytest.mark.parametrize("below", ["MNIST/raw", "raw", "."])
def test_mnist_is_found_in_each_layout(tmp_path: Path, below: str) -> None:
    images, labels = grays([0, 50, 255]), np.array([0, 2, 10], np.uint8)
    write_mnist(tmp_path / below, images, labels, "train")
    found, classes = read_mnist(tmp_path, "train")
    assert found.dtype == torch.uint8 and classes.dtype == torch.int64
    np.testing.assert_array_equal(found.numpy()[:, 0], images)
    np.testing.assert_array_equal(classes.numpy(), labels)
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte"):
        read_mnist(tmp_path, "test")


def test_accuracy_counts_first_and_fifth_guesses(tmp_path: Path) -> None:
    levels = [0, 51, 102, 153, 204, 255]
    labels = np.array([0, 2, 4, 9, 3, 0], np.uint8)
    write_mnist(tmp_path, grays(levels), labels)
    assert accuracy(brightness(channels=1), tmp_path) == (6, 3 / 6, 3 / 6)
    near = np.array([1, 3, 5, 5, 9, 10], np.uint8)
    write_mnist(tmp_path, grays(levels), near)
    assert accuracy(brightness(channels=1), tmp_path) == (6, 1 / 6, 6 / 6)


def test_photographs_are_resized_cropped_and_sorted_by_folder(tmp_path: Path) -> None:
    for level in range(11):
        folder = tmp_path / f"{level:02}"
        folder.mkdir()
        gray = round(level * 25.5)
        picture = np.full((40, 90, 3), gray, np.uint8)
        picture[:, :20] = picture[:, -20:] = 255 - gray
        Image.fromarray(picture).save(folder / "one.png")
        Image.fromarray(picture.transpose(1, 0, 2).copy()).convert("L").save(folder / "two.png")
    assert accuracy(brightness(), tmp_path) == (22, 1, 1)
    assert accuracy(brightness(channels=1), tmp_path) == (22, 1, 1)
    data = open_dataset(tmp_path, brightness())
    batches = list(data.batches(5))
    assert [len(images) for images, _ in batches] == [5, 5, 5, 5, 2]
    assert batches[0][0].shape == (5, 3, 8, 8) and batches[0][0].dtype == np.uint8
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), np.repeat(np.arange(11), 2))


def data_error(folder: Path, message: str, classifier: Classifier | None = None) -> None:
    with pytest.raises(DataError, match=message) as caught:
        accuracy(classifier or brightness(channels=1), folder)
    assert "\n" not in str(caught.value)


def test_bad_data_sets_are_one_sentence(tmp_path: Path) -> None:
    data_error(tmp_path / "absent", "There is no folder")
    data_error(tmp_path, "neither MNIST files nor folders of images")
    (tmp_path / "a").mkdir()
    data_error(tmp_path, "neither MNIST files nor folders of images")
    (tmp_path / "a" / "broken.png").write_bytes(b"no image")
    data_error(tmp_path, "1 class folders but brightness has 11 classes")
    for other in range(10):
        (tmp_path / f"b{other}").mkdir()
    data_error(tmp_path, "broken.png cannot be read as an image")


def test_bad_mnist_files_are_one_sentence(tmp_path: Path) -> None:
    images, labels = grays([0, 50]), np.array([0, 11], np.uint8)
    write_mnist(tmp_path, images, labels)
    data_error(tmp_path, "labels up to 11 but brightness has 11 classes")
    data_error(tmp_path, "gray images of 8x8 pixels, but brightness takes 3x8x8", brightness())
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", labels[:1])
    data_error(tmp_path, "2 images but 1 labels")
    for damaged in (b"", b"\0\0\x08\x01\0\0\0\x09abc", b"\0\0\x0d\x01\0\0\0\x01a"):
        (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(damaged)
        data_error(tmp_path, "t10k-labels-idx1-ubyte is damaged")


def test_caffe_lenet_is_right_on_mnist(shared: Shared) -> None:
    classifier = load_classifier("lenet-mnist", weights=shared("weights/lenet_caffe_mnist.safetensors"), device="cpu")
    found = accuracy(classifier, shared("data"))
    assert found.images == 10000
    assert found.top1 == pytest.approx(0.9918, abs=0.0002)


def test_shipped_lenet_is_right_on_mnist(shared: Shared) -> None:
    assert accuracy(load_classifier(device="cpu"), shared("data")).top1 >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("model", "top1"), [("squeezenet1_0", 0.619), ("mobilenet_v2", 0.779)])
def test_imagenet_weights_are_right_on_photographs(shared: Shared, model: str, top1: float) -> None:
    classifier = load_classifier(model, weights=shared(f"weights/{model}_imagenet.safetensors"), device="cpu")
    found = accuracy(classifier, shared("data/imagenet-sample/val"))
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
    test = ImageArray(*(part.numpy() for part in blobs(100, 10, seed=1)))
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
    assert accuracy(wider, ImageArray(more.numpy(), more_labels.numpy())).top1 > 0.95
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
