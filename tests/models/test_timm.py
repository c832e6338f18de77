"""Models of timm by name."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hubs import fill, photographs, refused, unplug
from PIL import Image
from safetensors.torch import save_file

from neatfool import Classifier
from neatfool.classifiers.sources.timm import photograph_size
from neatfool.data import read_photograph
from neatfool.models import load_classifier

timm = pytest.importorskip("timm", reason="needs timm")


def test_photographs_get_the_confidences_that_timm_gives_them(shared: Path) -> None:
    classifier = load_classifier("timm:resnet10t", weights="none", device="cpu")
    module = timm.create_model("resnet10t", pretrained=False).eval()
    module.load_state_dict(classifier.module.state_dict())
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(module))
    for path in photographs(shared, 4):
        with Image.open(path) as file:
            expected = transform(file.convert("RGB")).unsqueeze(0)
        image = read_photograph(path, classifier)
        torch.testing.assert_close(classifier.normalise(torch.from_numpy(image)[None]), expected, atol=1e-5, rtol=0)
        with torch.no_grad():
            confidences = module(expected).softmax(1).numpy()
        np.testing.assert_allclose(classifier.confidences(image[None]), confidences, atol=1e-5)


@pytest.mark.parametrize("mode", ["center", "squash"])
@pytest.mark.parametrize("crop", [1.0, 0.9])
def test_photographs_are_resized_as_timm_does(mode: str, crop: float, shared: Path) -> None:
    recipe = {"input_size": (3, 96, 96), "crop_pct": crop, "crop_mode": mode, "interpolation": "bicubic"}
    transform = timm.data.create_transform(**recipe, mean=(0, 0, 0), std=(1, 1, 1))
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 96 * 96, 2))
    classifier = Classifier(module, input_size=96, **photograph_size(recipe), device="cpu")
    for path in photographs(shared, 4):
        with Image.open(path) as file:
            expected = transform(file.convert("RGB")).numpy() * 255
        np.testing.assert_allclose(read_photograph(path, classifier), expected, atol=1e-3)


def test_the_recipe_and_the_classes_are_those_of_the_published_weights() -> None:
    classifier = load_classifier("timm:test_vit.r160_in1k", weights="none", device="cpu")
    assert classifier.name == classifier.source == "timm:test_vit.r160_in1k"
    assert (classifier.input_size, classifier.mean, classifier.interpolation) == ((160, 160), (0.5,) * 3, "bicubic")
    described = timm.data.ImageNetInfo().label_descriptions()
    same = [ours in theirs for ours, theirs in zip(classifier.class_names, described, strict=True)]
    assert sum(same) > 900  # the names are two people's; the order is one


def test_untrained_networks_are_the_same_at_every_call() -> None:
    first = load_classifier("timm:test_vit", weights="none", device="cpu")
    torch.rand(3)
    assert load_classifier("timm:test_vit", weights="none", device="cpu").fingerprint() == first.fingerprint()


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_a_file_says_how_many_classes_there_are(ending: str, tmp_path: Path) -> None:
    module = timm.create_model("test_vit", pretrained=False, num_classes=5).eval()
    path = tmp_path / f"mine{ending}"
    (save_file if ending == ".safetensors" else torch.save)(module.state_dict(), path)
    classifier = load_classifier("timm:test_vit", weights=path, device="cpu")
    assert classifier.class_names == ("0", "1", "2", "3", "4")
    pixels = torch.full((1, 3, 160, 160), 200.0)
    with torch.no_grad():
        torch.testing.assert_close(classifier.logits(pixels), module(classifier.normalise(pixels)))


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), tmp_path / "vit.safetensors")
    refused("timm:resnet10t", "does not fit ResNet", weights=tmp_path / "vit.safetensors")


def test_names_that_timm_lacks() -> None:
    refused("timm:resnet10", "no model named 'resnet10'; close names are resnet10t")
    refused("timm:xyzzy", "timm.list_models")
    refused("timm:resnet10t.xyz", "no weights 'xyz' of resnet10t; there are c3_in1k")
    refused("timm:vit_small_patch14_dinov2", "features, no classes")
    refused("tim:resnet10t", "did you mean timm:")


def test_without_a_network_the_message_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unplug(tmp_path, monkeypatch)
    started = time.monotonic()
    message = refused("timm:resnet10t", "cannot be fetched")
    assert "huggingface.co/timm/resnet10t.c3_in1k" in message
    assert "--weights FILE" in message and "cannot be reached" in message
    assert time.monotonic() - started < 10
    refused("timm:coatnet_0_224", "cannot be fetched")  # published without weights


def test_weights_in_the_cache_are_used_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unplug(tmp_path / "cache", monkeypatch)
    module = timm.create_model("test_vit", pretrained=False)
    save_file(module.state_dict(), tmp_path / "model.safetensors")
    fill(tmp_path / "cache", "timm/test_vit.r160_in1k", tmp_path / "model.safetensors")
    classifier = load_classifier("timm:test_vit", device="cpu")
    assert torch.equal(classifier.module.get_parameter("head.weight"), module.head.weight)
    assert classifier.class_names[1] == "goldfish"


def test_without_timm_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    refused("timm:resnet10t", r"pip install 'neatfool\[timm\]'")
