"""Image classifiers of transformers: their folders, good and bad."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hubs import fill, photographs, refused, unplug
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.models import mobilenet_v2

from neatfool.classifiers.sources.processor import read_processor
from neatfool.data import read_photograph
from neatfool.errors import ModelError
from neatfool.models import ModelConfig, load_classifier

hf = pytest.importorskip("transformers", reason="needs transformers")
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "patch_size": 8}
NAMES = {0: "cat", 1: "dog", 2: "owl"}


@pytest.fixture(autouse=True)
def silence() -> None:
    hf.utils.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()


def vit(**options: Any) -> Any:
    torch.manual_seed(0)
    return hf.ViTForImageClassification(hf.ViTConfig(image_size=32, **TINY, **{"id2label": NAMES, **options}))


def save(folder: Path, model: Any, processor: Any) -> Path:
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tmp_path / "tiny", vit(), hf.ViTImageProcessor(size={"height": 32, "width": 32}))


def resnet() -> Any:
    torch.manual_seed(0)
    return hf.ResNetForImageClassification(
        hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", id2label=NAMES)
    )


PROCESSORS = {
    "squeezed": lambda: hf.ViTImageProcessor(size={"height": 64, "width": 64}),
    "squeezed and cropped": lambda: hf.BeitImageProcessor(
        size={"height": 72, "width": 72}, do_center_crop=True, crop_size={"height": 64, "width": 64}
    ),
    "short side": lambda: hf.CLIPImageProcessor(
        size={"shortest_edge": 80}, crop_size={"height": 64, "width": 64}, do_center_crop=True
    ),
    "not square": lambda: hf.CLIPImageProcessor(
        size={"shortest_edge": 80}, crop_size={"height": 48, "width": 72}, do_center_crop=True
    ),
    "ConvNeXT": lambda: hf.ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875),
    "ConvNeXT, large": lambda: hf.ConvNextImageProcessor(size={"shortest_edge": 384}),
    "BGR": lambda: hf.MobileViTImageProcessor(
        size={"shortest_edge": 80}, crop_size={"height": 64, "width": 64}, do_flip_channel_order=True
    ),
    "no normalisation": lambda: hf.ViTImageProcessor(size={"height": 64, "width": 64}, do_normalize=False),
    "no scale": lambda: hf.ViTImageProcessor(
        size={"height": 64, "width": 64},
        do_rescale=False,
        image_mean=[123.7, 116.3, 103.5],
        image_std=[58.4, 57.1, 57.4],
    ),
}


@pytest.mark.parametrize("kind", PROCESSORS)
def test_photographs_get_what_the_processor_and_the_model_say(kind: str, tmp_path: Path, shared: Path) -> None:
    path = save(tmp_path / "resnet", resnet(), PROCESSORS[kind]())
    classifier = load_classifier(f"hf:{path}", device="cpu")
    # Its pixels are resized by Pillow, as ours are; by torch they differ by a level here and there. Where an odd number of
    # pixels is cropped, which these sizes avoid, transformers leaves out the larger half on the other side.
    processor = hf.AutoImageProcessor.from_pretrained(path, backend="pil")
    model = hf.AutoModelForImageClassification.from_pretrained(path).eval()
    for photograph in photographs(shared, 4):
        with Image.open(photograph) as file:
            expected = processor(images=file.convert("RGB"), return_tensors="pt")["pixel_values"]
        image = read_photograph(photograph, classifier)
        levels = classifier.normalise(torch.from_numpy(image)[None]) - expected
        gain = classifier.scale / torch.tensor(classifier.std).reshape(1, 3, 1, 1)
        assert float((levels / gain).abs().max()) < 0.01
        with torch.no_grad():
            confidences = model(expected).logits.softmax(1).numpy()
        np.testing.assert_allclose(classifier.confidences(image[None]), confidences, atol=1e-4)


def mobilenet(shared: Path) -> Any:
    """torchvision's MobileNetV2 with real weights, as transformers has it."""
    stored = load_file(shared / "weights/mobilenet_v2_imagenet.safetensors")
    state = {name: stored[name] for name in mobilenet_v2().state_dict()}  # in the order of the layers
    config = hf.MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5, num_labels=1000)
    model = hf.MobileNetV2ForImageClassification(config)
    own = model.state_dict()
    assert [value.shape for value in own.values()] == [value.shape for value in state.values()]
    model.load_state_dict(dict(zip(own, state.values(), strict=True)))
    return model


def test_a_real_network_is_as_sure_as_torchvisions(tmp_path: Path, shared: Path) -> None:
    processor = hf.MobileNetV2ImageProcessor(
        size={"shortest_edge": 256},
        crop_size={"height": 224, "width": 224},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    ours = load_classifier(f"hf:{save(tmp_path / 'mobilenet', mobilenet(shared), processor)}", device="cpu")
    weights = shared / "weights/mobilenet_v2_imagenet.safetensors"
    theirs = load_classifier("mobilenet_v2", weights=weights, device="cpu")
    paths = photographs(shared, 8)
    images = np.stack([read_photograph(path, theirs) for path in paths])
    np.testing.assert_array_equal(np.stack([read_photograph(path, ours) for path in paths]), images)
    np.testing.assert_allclose(ours.confidences(images), theirs.confidences(images), atol=1e-4)
    assert theirs.confidences(images).max(1).mean() > 0.3  # it knows what it sees


def test_a_model_of_timm_in_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="needs timm")
    recipe = {"input_size": [3, 160, 160], "mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 0.95}
    config = {
        "architecture": "test_vit",
        "num_classes": 3,
        "label_names": ["cat", "dog", "owl"],
        "pretrained_cfg": recipe,
    }
    model = hf.TimmWrapperForImageClassification(hf.TimmWrapperConfig.from_dict(config)).eval()
    model.save_pretrained(tmp_path / "timm")
    classifier = load_classifier(f"hf:{tmp_path / 'timm'}", device="cpu")
    assert (classifier.class_names, classifier.std, classifier.resize_size) == (("cat", "dog", "owl"), (0.25,) * 3, 168)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 160, 160), dtype=np.uint8)
    with torch.no_grad():
        expected = model(classifier.normalise(torch.from_numpy(images))).logits.softmax(1).numpy()
    np.testing.assert_allclose(classifier.confidences(images), expected, atol=1e-6)


def test_a_folder_never_asks_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm", reason="needs timm")
    asked: list[object] = []

    def look_up(host: object, *_: object, **__: object) -> None:
        asked.append(host)
        raise OSError("there is no network")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    load_classifier(f"hf:{folder}", device="cpu")
    config = {
        "model_type": "timm_wrapper",
        "architecture": "hf-hub:someone/else",
        "num_classes": 3,
        "pretrained_cfg": {},
    }
    (folder / "config.json").write_text(json.dumps(config))
    refused(f"hf:{folder}", "cannot be made an image classifier|cannot be used")
    assert not asked


def test_the_folder_says_names_and_size(folder: Path) -> None:
    classifier = load_classifier(f"hf:{folder}", device="cpu")
    assert classifier.class_names == ("cat", "dog", "owl")
    assert (classifier.input_size, classifier.resize_size, classifier.mean) == ((32, 32), (32, 32), (0.5,) * 3)
    assert classifier.features(np.zeros((2, 3, 32, 32), np.uint8)).shape == (2, 16)
    x = torch.full((1, 3, 32, 32), 100.0, requires_grad=True)
    classifier.logits(x)[0, 1].backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_where_the_folder_is_makes_no_difference(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_classifier(f"hf:{folder}", device="cpu").fingerprint()
    moved = folder.rename(folder.with_name("moved"))
    monkeypatch.chdir(moved.parent)
    classifier = load_classifier("hf:./moved", device="cpu")
    assert classifier.fingerprint() == before
    assert ModelConfig.of(classifier).name == f"hf:{moved.resolve()}"


def test_placeholders_are_no_names(tmp_path: Path) -> None:
    processor = hf.ViTImageProcessor(size={"height": 32, "width": 32})
    path = save(tmp_path / "tiny", vit(id2label={0: "LABEL_0", 1: "LABEL_1"}), processor)
    assert load_classifier(f"hf:{path}", device="cpu").class_names == ("0", "1")


def test_gray_images(tmp_path: Path) -> None:
    processor = hf.ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=[0.25], image_std=[0.5])
    path = save(tmp_path / "gray", vit(num_channels=1), processor)
    classifier = load_classifier(f"hf:{path}", device="cpu")
    assert (classifier.image_shape, classifier.mean, classifier.std) == ((1, 32, 32), (0.25,), (0.5,))


def test_other_weights(folder: Path, tmp_path: Path) -> None:
    more = vit(id2label={index: f"bird {index}" for index in range(5)})
    save_file(more.state_dict(), tmp_path / "more.safetensors")
    classifier = load_classifier(f"hf:{folder}", weights=tmp_path / "more.safetensors", device="cpu")
    assert classifier.class_names == ("0", "1", "2", "3", "4")
    assert torch.equal(classifier.module.get_parameter("classifier.weight"), more.classifier.weight)
    (folder / "model.safetensors").unlink()
    untrained = [load_classifier(f"hf:{folder}", weights="none", device="cpu").weights_hash() for _ in range(2)]
    assert untrained[0] == untrained[1]


def test_a_pickle_is_not_read(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    refused(f"hf:{folder}", r"pytorch_model.bin is a pickle, .* model.save_pretrained\(FOLDER\)")
    (folder / "pytorch_model.bin").unlink()
    refused(f"hf:{folder}", "has no model.safetensors; hf: needs config.json, preprocessor_config.json and")


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"model_type": "xyz", "image_processor_type": 3}', None])
def test_damaged_descriptions_are_refused(file: str, text: str | None, folder: Path) -> None:
    if text is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(text)
    refused(f"hf:{folder}", f"{file}|check input_size")  # some are whole, with other values than these


def test_code_that_comes_with_a_model_is_not_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    refused(f"hf:{folder}", "Python code of its own, which is not run")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    "extra",
    [
        {"_attn_implementation": "kernels-community/evil"},
        {"attn_implementation": "flash_attention_2"},
        {"_attn_implementation_internal": {"": "someone/evil@main"}},
        {"backbone_config": {"layers": [{"_attn_implementation": "someone/evil"}]}},
    ],
)
def test_a_kernel_that_a_model_names_is_not_fetched(extra: dict[str, Any], folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | extra))
    refused(f"hf:{folder}", "asks for the attention .* may be code from elsewhere")


@pytest.mark.parametrize("name", ["sdpa", "eager"])
def test_the_attention_is_eager_whatever_is_stored(name: str, folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"_attn_implementation": name}))
    module: Any = load_classifier(f"hf:{folder}", device="cpu").module
    assert module.config._attn_implementation == "eager"


def test_what_is_no_image_classifier_is_refused(tmp_path: Path) -> None:
    processor = hf.ViTImageProcessor(size={"height": 32, "width": 32})
    body = hf.ViTModel(hf.ViTConfig(image_size=32, **TINY))
    refused(f"hf:{save(tmp_path / 'body', body, processor)}", "lack classifier.*fine-tuned for classification")
    text = hf.BertModel(hf.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8))
    refused(f"hf:{save(tmp_path / 'text', text, processor)}", "cannot be made an image classifier")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda levels: levels**2, "changes colours"),
        (lambda levels: levels[:, [1, 0, 2]], "changes colours"),
        (lambda levels: 0 * levels, "changes colours"),
        (lambda levels: levels[0], "one picture of 3 channels"),
        (lambda levels: levels * np.linspace(0, 1, 8), "one picture of 3 channels"),
    ],
)
def test_what_mean_and_std_cannot_say_is_refused(change: Any, message: str) -> None:
    def process(images: Image.Image, return_tensors: str) -> dict[str, Any]:
        return {"pixel_values": change(np.asarray(images.resize((8, 8)), float).transpose(2, 0, 1)[None] / 255)}

    with pytest.raises(ModelError, match=message):
        read_processor(process, hf.ViTConfig(), name="mine")


def test_from_the_hub_or_its_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unplug(tmp_path / "cache", monkeypatch)
    message = refused("hf:someone/birds", "hf:someone/birds cannot be fetched")
    assert "cannot be reached" in message and "hf:./FOLDER" in message and "model.safetensors" in message
    refused("hf:a/b/c", "cannot be fetched")
    refused("hf:./nowhere", "There is no folder nowhere")
    fill(tmp_path / "cache", "someone/birds", *folder.iterdir())
    cached = load_classifier("hf:someone/birds", device="cpu")
    assert cached.fingerprint() == load_classifier(f"hf:{folder}", device="cpu").fingerprint()
    assert cached.source == "hf:someone/birds"
    monkeypatch.setattr(hf.utils.hub.constants, "HF_HUB_OFFLINE", True)
    assert load_classifier("hf:someone/birds", device="cpu").fingerprint() == cached.fingerprint()


def test_without_transformers_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    refused("hf:google/vit-base-patch16-224", r"pip install 'neatfool\[hf\]'")
