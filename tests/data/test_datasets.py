"""MNIST files and folders of photographs, read as labelled images."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Subset, TensorDataset

from neatfool.classifiers import Classifier
from neatfool.data import ImageArray, batches, labels_of, open_dataset, read_images, read_mnist
from neatfool.errors import DataError
from neatfool.training import accuracy


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
    parts = list(batches(data, 5))
    assert [len(images) for images, _ in parts] == [5, 5, 5, 5, 2]
    assert parts[0][0].shape == (5, 3, 8, 8) and parts[0][0].dtype == np.uint8
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in parts]), np.repeat(np.arange(11), 2))


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


@pytest.mark.parametrize("called", ["index", "name"])
def test_folders_called_as_the_classes_stand_for_these(called: str, tmp_path: Path) -> None:
    names = [str(index) if called == "index" else f"level {index}" for index in range(11)]
    for index, name in enumerate(names):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((9, 9), round(index * 25.5), np.uint8)).save(tmp_path / name / "one.png")
    classifier = Classifier(Brightness(), input_size=8, class_names=None if called == "index" else names, device="cpu")
    assert accuracy(classifier, tmp_path) == (11, 1, 1)
    data = open_dataset(tmp_path, classifier)
    assert dict(zip(sorted(names), labels_of(data), strict=True)) == {name: i for i, name in enumerate(names)}


def test_the_validation_part_of_train_and_val_is_looked_at(tmp_path: Path) -> None:
    for part, label in (("train", "a"), ("val", "a"), ("val", "b")):
        (tmp_path / part / label).mkdir(parents=True)
        Image.new("L", (9, 9)).save(tmp_path / part / label / f"{part}.png")
    two = Classifier(Brightness(2), input_size=8, channels=1, device="cpu")
    found = open_dataset(tmp_path, two)
    assert [Path(path).name for path, _ in found.samples] == ["val.png", "val.png"]


def test_any_torch_data_set_of_pairs_can_be_read() -> None:
    images = torch.from_numpy(grays([0, 51, 102, 255, 7])).unsqueeze(1)
    labels = torch.tensor([0, 2, 4, 9, 0])
    whole = ImageArray(images, labels)
    image, label = whole[3]
    assert torch.equal(image, images[3]) and type(label) is int and label == 9
    part = Subset(whole, [3, 1])
    assert labels_of(part).tolist() == [9, 2]
    np.testing.assert_array_equal(read_images(part, np.array([1])), images[[1]])
    found = [(len(pixels), classes.tolist()) for pixels, classes in batches(whole, 2)]
    assert found == [(2, [0, 2]), (2, [4, 9]), (1, [0])]
    assert accuracy(brightness(channels=1), TensorDataset(images, labels)) == (5, 4 / 5, 1)
    assert list(batches(ImageArray(images[:0], labels[:0]), 2)) == []


def test_a_pipe_among_the_photographs_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    for index in range(11):
        (tmp_path / f"{index:02}").mkdir()
    os.mkfifo(tmp_path / "00" / "pipe.png")
    data_error(tmp_path, "pipe.png cannot be read as an image")
