"""The classifier wrapper: shapes, normalisation, crops, invariance to batches, class names, messages."""

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neatfool.classifiers import Classifier
from neatfool.errors import ModelError
from neatfool.models import load_classifier
from neatfool.models.lenet import LeNet


class Pooled(nn.Module):
    """A small convolutional network for any input size."""

    def __init__(self, channels: int = 3, classes: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.fc = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.tanh(self.conv(x)).mean((2, 3)))


class Returns(nn.Module):
    """Returns `make(batch size)` whatever it is given."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(len(x))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)


def pixels(n: int, channels: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, channels, height, width), dtype=np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def small(**options: Any) -> Classifier:
    return Classifier(Pooled(), **({"input_size": 8, "device": "cpu", "chunk": 4} | options))


def test_confidences_are_the_softmax_of_the_normalised_image() -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    module = Pooled()
    reference = copy.deepcopy(module).double()
    classifier = Classifier(module, input_size=(8, 6), mean=mean, std=std, scale=1 / 128, device="cpu")
    images = pixels(5, 3, 8, 6)
    normalised = (images / 128.0 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    expected = softmax(reference(torch.from_numpy(normalised)).detach().numpy())
    found = classifier.confidences(images)
    assert found.dtype == np.float32 and found.shape == (5, 4)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(classifier.confidences(torch.from_numpy(images)), found)


def test_ten_crops_are_corners_centre_and_their_mirrors() -> None:
    module = Pooled()
    reference = copy.deepcopy(module).double()
    classifier = Classifier(module, input_size=8, image_size=(13, 11), crops=10, device="cpu", chunk=2)
    images = pixels(3, 3, 13, 11)
    expected = np.zeros((3, 4))
    for top, left in ((0, 0), (0, 3), (5, 0), (5, 3), (2, 2)):
        crop = images[:, :, top : top + 8, left : left + 8]
        for view in (crop, crop[..., ::-1]):
            with torch.no_grad():
                expected += softmax(reference(torch.from_numpy(view / 255.0)).numpy()) / 10
    np.testing.assert_allclose(classifier.confidences(images), expected, atol=1e-6)
    centre = Classifier(module, input_size=8, device="cpu")
    x = torch.from_numpy(images).float()
    torch.testing.assert_close(classifier.logits(x), centre.logits(x[:, :, 2:10, 2:10]))


def assert_batches_do_not_matter(classifier: Classifier, images: np.ndarray, splits: list[int]) -> None:
    whole = classifier.confidences(images)
    for size in splits:
        parts = [classifier.confidences(images[start : start + size]) for start in range(0, len(images), size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    backwards = classifier.confidences(images[::-1])[::-1]
    np.testing.assert_array_equal(backwards, whole)


def test_lenet_gives_the_same_bits_however_a_batch_is_split(shared: Path) -> None:
    weights = shared / "weights/lenet_caffe_mnist.safetensors"
    classifier = load_classifier("lenet-mnist", weights=weights, device="cpu")
    assert_batches_do_not_matter(classifier, pixels(230, 1, 28, 28), [23, 100, 101])


def test_squeezenet_gives_the_same_bits_however_a_batch_is_split(shared: Path) -> None:
    weights = shared / "weights/squeezenet1_0_imagenet.safetensors"
    classifier = load_classifier("squeezenet1_0", weights=weights, device="cpu")
    assert_batches_do_not_matter(classifier, pixels(9, 3, 224, 224), [5])


def test_lenet_gives_the_same_with_one_thread_and_two_but_for_last_bits(shared: Path) -> None:
    classifier = load_classifier("lenet-mnist", weights=shared / "weights/lenet_caffe_mnist.safetensors", device="cpu")
    images = pixels(100, 1, 28, 28)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(classifier.confidences(images))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(*found, atol=1e-6)  # on some processors torch adds in another order


def test_no_images_give_no_confidences() -> None:
    classifier = small()
    empty = np.empty((0, 3, 8, 8), np.uint8)
    assert classifier.confidences(empty).shape == (0, 4)
    assert classifier.features(empty).shape == (0, 8)


def test_read_only_and_strided_images_are_welcome() -> None:
    classifier = small()
    images = pixels(4, 3, 8, 8)
    expected = classifier.confidences(images)
    images.flags.writeable = False
    np.testing.assert_array_equal(classifier.confidences(images), expected)
    interleaved = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(classifier.confidences(interleaved), expected)
    for count in (1, 4):
        backwards = classifier.confidences(images[:count][::-1])
        np.testing.assert_array_equal(backwards, expected[:count][::-1])


def test_global_state_of_torch_is_left_alone() -> None:
    state = torch.get_rng_state()
    settings = (torch.get_num_threads(), torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled())
    classifier = load_classifier("squeezenet1_1", weights="none", device="cpu")
    classifier.confidences(pixels(1, 3, 224, 224))
    load_classifier("mlp-mnist", weights="none", device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    after = (torch.get_num_threads(), torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled())
    assert after == settings


def test_gradients_of_logits_match_finite_differences() -> None:
    classifier = small(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    x = torch.from_numpy(pixels(2, 3, 8, 8)).float().requires_grad_()
    logits = classifier.logits(x)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), x)
    direction = gradient.sign() * torch.from_numpy(np.random.default_rng(1).random(x.shape)).float()
    with torch.no_grad():
        ahead, behind = (classifier.logits(x + step * direction)[:, 1].sum() for step in (0.5, -0.5))
    assert float((gradient * direction).sum()) == pytest.approx(float(ahead - behind), rel=1e-3)
    softmaxed = classifier.logits(x).softmax(1).detach().numpy()
    np.testing.assert_allclose(softmaxed, classifier.confidences(x.detach().byte()), atol=1e-6)


def test_a_probability_module_is_taken_as_it_is() -> None:
    logits = Pooled()
    module = nn.Sequential(logits, nn.Softmax(1))
    classifier = Classifier(module, input_size=8, outputs="probabilities", device="cpu")
    images = pixels(3, 3, 8, 8)
    plain = Classifier(logits, input_size=8, device="cpu")
    np.testing.assert_allclose(classifier.confidences(images), plain.confidences(images), atol=1e-7)
    x = torch.from_numpy(images).float()
    np.testing.assert_allclose(classifier.logits(x).exp(), plain.confidences(images), atol=1e-6)


def test_inference_is_in_eval_mode_even_after_train() -> None:
    classifier = Classifier(nn.Sequential(Pooled(), nn.Dropout(0.9)), input_size=8, device="cpu")
    images = pixels(3, 3, 8, 8)
    expected = classifier.confidences(images)
    classifier.module.train()
    np.testing.assert_array_equal(classifier.confidences(images), expected)


def test_features_enter_the_last_layer() -> None:
    classifier = Classifier(Pooled(), input_size=8, device="cpu", chunk=2)
    module = classifier.module
    assert isinstance(module, Pooled)
    features = classifier.features(pixels(5, 3, 8, 8))
    assert features.dtype == np.float32 and features.shape == (5, 8)
    logits = features @ module.fc.weight.numpy().T + module.fc.bias.numpy()
    np.testing.assert_allclose(softmax(logits), classifier.confidences(pixels(5, 3, 8, 8)), atol=1e-6)


def test_features_of_a_convolutional_head_are_averaged_over_space() -> None:
    body = nn.Conv2d(3, 5, 3)
    module = nn.Sequential(body, nn.Conv2d(5, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    classifier = Classifier(module, input_size=8, device="cpu")
    images = pixels(2, 3, 8, 8)
    expected = body(torch.from_numpy(images).float() / 255).mean((2, 3)).numpy()
    np.testing.assert_allclose(classifier.features(images), expected, atol=1e-6)


def test_features_need_a_last_layer() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ModelError, match="no linear layer"):
        Classifier(module, input_size=8, device="cpu").features(pixels(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), r"\(N, 3, 8, 8\), not \(2, 8, 8, 3\)"),
        (np.zeros((3, 8, 8), np.uint8), r"not \(3, 8, 8\)"),
        (np.zeros((2, 1, 8, 8), np.uint8), r"not \(2, 1, 8, 8\)"),
        (np.zeros((2, 3, 8, 8), np.float32), "must be uint8"),
    ],
)
def test_wrong_images_raise_value_error(images: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small().confidences(images)


def test_logits_of_integers_raise_value_error() -> None:
    with pytest.raises(ValueError, match="takes floats"):
        small().logits(torch.zeros((1, 3, 8, 8), dtype=torch.uint8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 1}, "check input_size, channels"),
        ({"channels": 2}, "channels must be 1 or 3"),
        ({"class_names": ["a", "b"]}, "4 classes but 2 class names"),
        ({"mean": (0.5,)}, "mean has 1 numbers for 3 channels"),
        ({"std": (1, 0, 1)}, "not 0"),
        ({"scale": float("nan")}, "finite"),
        ({"crops": 5}, "crops must be 1 or 10"),
        ({"crops": 10, "image_size": 8}, "must be larger than input_size 8x8"),
        ({"image_size": 9}, "crops=10"),
        ({"input_size": 0}, "at least 1 pixel"),
        ({"resize_size": 7}, "smaller than input_size"),
        ({"outputs": "log"}, "outputs must be"),
        ({"outputs": "probabilities"}, 'outputs="logits"'),
        ({"interpolation": "nearest"}, "interpolation must be"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"device": "tpu"}, "use auto, cpu, cuda"),
        ({"device": "cuda:99"}, "no device cuda:99 here"),
    ],
)
def test_a_wrong_description_is_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        small(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: torch.zeros(n, 4, 2, 2), r"shape \(2, 4, 2, 2\)"),
        (lambda n: torch.zeros(n, 1), "at least two classes"),
        (lambda n: torch.zeros(4), r"shape \(4,\)"),
        (lambda n: torch.full((n, 4), torch.nan), "infinite or undefined"),
        (lambda n: torch.full((n, 4), 0.25), 'outputs="probabilities"'),
    ],
)
def test_a_module_with_wrong_outputs_is_refused(make: Callable[[int], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Classifier(Returns(make), input_size=8, device="cpu")


def named(*names: str) -> Classifier:
    return small(class_names=names)


def test_a_class_is_an_index_a_name_or_part_of_one() -> None:
    classifier = named("goldfish", "great white shark", "hammerhead shark", "crane")
    assert classifier.class_index(2) == 2
    assert classifier.class_index("2") == 2
    assert classifier.class_index("GoldFish") == 0
    assert classifier.class_index("hammer") == 2
    assert classifier.classes("0-2, crane,goldfish") == [0, 1, 2, 3]
    assert classifier.classes("crane,0") == [3, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shark", r"2 classes of Pooled match 'shark': great white shark \(1\), hammerhead shark \(2\)"),
        ("goldfich", r"close names are goldfish \(0\)"),
        ("xyzzy", "use an index from 0 to 3"),
        ("4", "no class 4: its classes are 0 to 3"),
        ("-1", "no class named '-1'"),
        ("", "no class named ''"),
        ("0,,1", "no class named ''"),
        ("3-1", "write it as 1-3"),
        ("2-9", "no class 9"),
    ],
)
def test_unknown_and_ambiguous_classes_are_refused(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        named("goldfish", "great white shark", "hammerhead shark", "crane").classes(text)


def test_an_exact_name_wins_over_longer_ones() -> None:
    assert named("crane bird", "crane", "x", "y").class_index("crane") == 1


def test_a_name_that_occurs_twice_gets_its_index() -> None:
    classifier = named("crane", "x", "crane", "y")
    assert classifier.class_names == ("crane (0)", "x", "crane (2)", "y")
    assert classifier.class_index("crane (2)") == 2


def test_weights_hash_follows_values_and_not_layout() -> None:
    module = LeNet()
    first = Classifier(copy.deepcopy(module), input_size=28, channels=1, device="cpu").weights_hash()
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} torch.float32 {tuple(value.shape)}\n".encode() + value.numpy().tobytes())
    assert first == digest.hexdigest()
    with torch.no_grad():
        module.ip2.bias[3] += 1e-6
    assert Classifier(module, input_size=28, channels=1, device="cpu").weights_hash() != first


def test_preprocessing_says_how_images_reach_the_module() -> None:
    assert small(mean=(0.5, 0.5, 0.5), crops=10).preprocessing() == {
        "channels": 3,
        "image_size": [9, 9],
        "input_size": [8, 8],
        "crops": 10,
        "scale": 1 / 255,
        "mean": [0.5, 0.5, 0.5],
        "std": [1.0, 1.0, 1.0],
        "outputs": "logits",
        "resize_size": 9,
        "interpolation": "bilinear",
    }


def test_it_says_what_it_is() -> None:
    classifier = small(name="<b>net</b>")
    assert classifier.image_shape == (3, 8, 8)
    assert repr(classifier) == (
        "Classifier('<b>net</b>', input=3x8x8, classes=4, device=cpu, backend=torch, precision=float32)"
    )
    table = classifier._repr_html_()
    assert "&lt;b&gt;net&lt;/b&gt;" in table and "<b>" not in table
    assert "<tr><th>input</th><td>3x8x8</td></tr>" in table


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (2, [2]),
        ([3, 0, 3], [3, 0]),
        (["0-1", "crane", 2], [0, 1, 3, 2]),
        (np.array([1, 2]), [1, 2]),
        ((index for index in (1,)), [1]),
        ("tench, Tinca tinca", [2]),
    ],
)
def test_classes_are_an_index_a_text_or_several(wanted: Any, found: list[int]) -> None:
    assert named("goldfish", "shark", "tench, Tinca tinca", "crane").classes(wanted) == found


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([], "No class of Pooled is named; give at least one, such as 0 or 0-3"),
        (-1, "no class -1: its classes are 0 to 3"),
        ([0, -2], "no class -2: its classes are 0 to 3"),
        ([1.0], "an index or a name, not 1.0"),
        ([True], "an index or a name, not True"),
    ],
)
def test_what_names_no_class_is_one_sentence(wanted: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        small().classes(wanted)
