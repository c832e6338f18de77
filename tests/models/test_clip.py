"""Zero-shot classifiers of open_clip."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hubs import architectures, photographs, refused, unplug
from PIL import Image
from safetensors.torch import save_file

from neatfool.classifiers import add_class
from neatfool.classifiers.saving import save_classifier
from neatfool.classifiers.sources.clip import TEMPLATE
from neatfool.data import read_photograph
from neatfool.models import ModelConfig, load_classifier

open_clip = pytest.importorskip("open_clip", reason="needs open_clip")
NAMES = ["a gray wolf", "goldfish", "owl"]


@pytest.fixture(autouse=True, scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A small architecture among those that open_clip knows, and another whose texts are scored as SigLIP's."""
    with architectures(
        tmp_path_factory.mktemp("architectures"),
        {"tiny": {}, "tiny-biased": {"init_logit_bias": -3.0, "custom_text": True}},
    ):
        yield


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join([*NAMES, "", ""]))
    return path


@pytest.mark.parametrize("architecture", ["tiny", "tiny-biased"])
@pytest.mark.filterwarnings("ignore")  # of open_clip, which makes the reference
def test_confidences_are_those_of_open_clip(architecture: str, labels: Path, tmp_path: Path, shared: Path) -> None:
    torch.manual_seed(1)
    model, _, transform = open_clip.create_model_and_transforms(architecture)
    model.eval()
    save_file(model.state_dict(), tmp_path / "mine.safetensors")
    classifier = load_classifier(
        f"clip:{architecture}", weights=tmp_path / "mine.safetensors", labels=labels, device="cpu"
    )
    assert classifier.class_names == tuple(NAMES)
    texts = open_clip.get_tokenizer(architecture)([TEMPLATE.format(name) for name in NAMES])
    for path in photographs(shared, 3):
        with Image.open(path) as file:
            pixels = transform(file).unsqueeze(0)
        with torch.no_grad():
            images, words = model.encode_image(pixels, normalize=True), model.encode_text(texts, normalize=True)
            logits = model.logit_scale.exp() * images @ words.T
        image = read_photograph(path, classifier)[None]
        np.testing.assert_allclose(classifier.confidences(image), logits.softmax(1).numpy(), atol=1e-4)
        ours = classifier.logits(torch.from_numpy(image).float())
        bias = 0.0 if model.logit_bias is None else float(model.logit_bias.detach())
        torch.testing.assert_close(ours, logits + bias, atol=1e-3, rtol=1e-3)


def test_gradients_reach_the_image(labels: Path) -> None:
    classifier = load_classifier("clip:tiny", weights="none", labels=labels, device="cpu")
    x = torch.full((1, 3, 32, 32), 100.0, requires_grad=True)
    classifier.logits(x)[0, 1].backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert classifier.features(np.zeros((2, 3, 32, 32), np.uint8)).shape == (2, 16)


def test_untrained_networks_are_the_same_at_every_call_and_the_labels_matter(labels: Path) -> None:
    first = load_classifier("clip:tiny", weights="none", labels=labels, device="cpu")
    torch.rand(3)
    again = load_classifier("clip:tiny", weights="none", labels=NAMES, device="cpu")
    assert again.fingerprint() == first.fingerprint()
    other = load_classifier("clip:tiny", weights="none", labels=[*NAMES[:2], "wolf"], device="cpu")
    assert other.fingerprint() != first.fingerprint()
    assert other.weights_hash() != first.weights_hash()


def test_what_loads_it_again(labels: Path) -> None:
    for given in (str(labels), NAMES):
        classifier = load_classifier("clip:tiny", weights="none", labels=given, device="cpu")
        assert ModelConfig.of(classifier).load().fingerprint() == classifier.fingerprint()


def test_a_hardened_one_has_a_class_more(labels: Path, tmp_path: Path) -> None:
    classifier = load_classifier("clip:tiny-biased", weights="none", labels=labels, device="cpu")
    more = add_class(classifier, "fooling image", seed=0)
    save_classifier(more, tmp_path / "more.safetensors", notes={})
    again = load_classifier("clip:tiny-biased", weights=tmp_path / "more.safetensors", device="cpu")
    assert again.class_names == (*NAMES, "fooling image")
    images = np.full((2, 3, 32, 32), 77, np.uint8)
    np.testing.assert_array_equal(again.confidences(images), more.confidences(images))
    save_file({"head.weight": torch.zeros(())}, tmp_path / "bad.safetensors")
    refused("clip:tiny", "does not fit ZeroShot", weights=tmp_path / "bad.safetensors")


def test_what_is_missing_or_unknown(labels: Path, tmp_path: Path) -> None:
    refused("clip:tiny", "pass a text file with one name a line: --labels FILE", weights="none")
    refused("clip:ViT-B-31", "no model named 'ViT-B-31'; close names are ViT-B-32", labels=labels)
    refused("clip:xyzzy", "open_clip.list_models", labels=labels)
    refused("clip:ViT-B-32/xyz", "no weights 'xyz' of ViT-B-32; there are openai", labels=labels)
    refused("clip:tiny", "no weights of tiny; pass some with --weights FILE", labels=labels)
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    refused("clip:tiny", "does not fit CLIP", labels=labels, weights=tmp_path / "x.safetensors")


def test_without_a_network_the_message_names_the_file(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unplug(tmp_path, monkeypatch)
    message = refused("clip:ViT-B-32/laion2b_s34b_b79k", "cannot be fetched", labels=labels)
    assert (
        "cannot be reached" in message
        and "--weights FILE" in message
        and "huggingface.co/laion/CLIP-ViT-B-32-" in message
    )
    refused("clip:ViT-B-16-SigLIP", "cannot be fetched", labels=labels)
    refused("clip:ViT-B-16-SigLIP", "tokeniser", labels=labels, weights="none")


@pytest.mark.slow
def test_a_published_architecture(labels: Path) -> None:
    classifier = load_classifier("clip:ViT-B-32/openai", weights="none", labels=labels, device="cpu")
    assert (classifier.input_size, classifier.resize_size, classifier.interpolation) == ((224, 224), 224, "bicubic")
    assert classifier.mean == (0.48145466, 0.4578275, 0.40821073)


def test_without_open_clip_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    refused("clip:ViT-B-32", r"pip install 'neatfool\[clip\]'")
