"""Loading by name: built-in networks, torchvision's, the user's own; weights files good and bad."""

import json
import pickle
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.models import mnasnet0_5

from neatfool.classifiers import same_classifier
from neatfool.classifiers.state_dict import load_weights, read_weights
from neatfool.data import read_photograph
from neatfool.errors import ModelError
from neatfool.models import as_classifier, list_models, load_classifier
from neatfool.models.builtin import SHIPPED_WEIGHTS
from neatfool.models.lenet import LeNet


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty torch hub cache on a machine without a network."""

    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path / "hub")
    for protocol in ("http", "https"):
        monkeypatch.setenv(f"{protocol}_proxy", "http://127.0.0.1:9")
    yield tmp_path / "hub" / "checkpoints"
    torch.hub.set_dir(before)


def refused(model: str, message: str, **options: Any) -> str:
    with pytest.raises(ModelError, match=message) as caught:
        load_classifier(model, device="cpu", **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_name_gets_close_matches() -> None:
    refused("squeezenet", "close names are .*squeezenet1_0")
    refused("xyzzy", "neatfool models lists all names")


def test_models_are_listed() -> None:
    models = {model.name: model for model in list_models()}
    assert models["lenet-mnist"][1:] == ("built-in", (1, 28, 28), 10, True)
    assert not models["mlp-mnist"].available
    assert models["inception_v3"][1:4] == ("torchvision", (3, 299, 299), 1000)
    assert {"alexnet", "vgg16", "resnet50", "vit_b_16"} < models.keys()


def test_lenet_comes_with_weights() -> None:
    classifier = load_classifier(device="cpu")
    assert classifier.name == "lenet-mnist"
    assert classifier.class_names == tuple("0123456789")
    assert (classifier.channels, classifier.image_size) == (1, (28, 28))
    assert SHIPPED_WEIGHTS["lenet-mnist"].stat().st_size < 2_000_000


def test_mlp_says_where_to_get_weights() -> None:
    refused("mlp-mnist", "neatfool train --model mlp-mnist")
    assert load_classifier("mlp-mnist", weights="none", device="cpu").n_classes == 10


def test_untrained_networks_are_the_same_at_every_call(caplog: pytest.LogCaptureFixture) -> None:
    first = load_classifier("lenet-mnist", weights="none", device="cpu")
    torch.rand(3)
    assert load_classifier("lenet-mnist", weights="none", device="cpu").weights_hash() == first.weights_hash()
    assert "untrained" in caplog.text


def test_alexnet_without_a_network_says_what_to_do(hub: Path) -> None:
    started = time.monotonic()
    timeout = socket.getdefaulttimeout()
    message = refused("alexnet", "Cannot download the weights alexnet-owt-7be5be79.pth")
    assert str(hub) in message and "--weights FILE" in message and "--weights none" in message
    assert time.monotonic() - started < 10
    assert socket.getdefaulttimeout() == timeout
    assert not list(hub.iterdir())


def test_downloaded_weights_are_used_from_the_cache(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.mkdir(parents=True)
    module = torchvision.models.squeezenet1_1()
    torch.save(module.state_dict(), hub / "squeezenet1_1-b8a52dc0.pth")
    classifier = load_classifier("squeezenet1_1", device="cpu")
    assert torch.equal(classifier.module.get_parameter("classifier.1.bias"), module.classifier[1].bias)
    assert classifier.class_names[1] == "goldfish"
    assert capsys.readouterr().out == ""
    assert next(model for model in list_models() if model.name == "squeezenet1_1").available


@pytest.mark.parametrize(
    ("model", "file", "resize"),
    [
        ("mobilenet_v2", "mobilenet_v2-7ebf99e0.pth", 232),
        ("mobilenet_v2", "mobilenet_v2-b0353104.pth", 256),
        ("mobilenet_v2", "mine.safetensors", 256),
        ("efficientnet_b1", "efficientnet_b1-c27df63c.pth", 255),
    ],
)
def test_preprocessing_follows_the_published_file_of_that_name(
    model: str, file: str, resize: int, tmp_path: Path
) -> None:
    state = torchvision.models.get_model(model, weights=None).state_dict()
    (save_file if file.endswith(".safetensors") else torch.save)(state, tmp_path / file)
    classifier = load_classifier(model, weights=tmp_path / file, device="cpu")
    assert classifier.preprocessing()["resize_size"] == resize


def test_imagenet_weights_of_the_shared_data_fit_strictly(shared: Path) -> None:
    for model in ("squeezenet1_0", "mobilenet_v2"):
        path = shared / f"weights/{model}_imagenet.safetensors"
        classifier = load_classifier(model, weights=path, device="cpu")
        stored = load_file(path)
        state = classifier.module.state_dict()
        assert state.keys() == stored.keys()
        assert all(torch.equal(state[name], stored[name]) for name in stored)


def test_a_photograph_is_normalised_as_torchvision_does(shared: Path) -> None:
    path = shared / "data/imagenet-sample/val/n01443537/n01443537_goldfish.JPEG"
    weights = shared / "weights/squeezenet1_0_imagenet.safetensors"
    classifier = load_classifier("squeezenet1_0", weights=weights, device="cpu")
    image = read_photograph(path, classifier)
    recipe = torchvision.models.SqueezeNet1_0_Weights.IMAGENET1K_V1
    with Image.open(path) as file:
        expected = recipe.transforms()(file.convert("RGB")).unsqueeze(0)
    torch.testing.assert_close(classifier.normalise(torch.from_numpy(image).unsqueeze(0)), expected, atol=1e-6, rtol=0)
    module = torchvision.models.squeezenet1_0().eval()
    module.load_state_dict(load_file(weights))
    with torch.no_grad():
        confidences = module(expected).softmax(1).numpy()
    found = classifier.confidences(image[np.newaxis])
    np.testing.assert_allclose(found, confidences, atol=1e-5)
    assert classifier.class_names[found.argmax()] == "goldfish"


def test_ten_crops_of_a_torchvision_model_see_the_resized_image() -> None:
    classifier = load_classifier("squeezenet1_1", weights="none", device="cpu", crops=10)
    assert (classifier.image_size, classifier.input_size) == ((256, 256), (224, 224))
    assert classifier.logits(torch.zeros((1, 3, 256, 256))).shape == (1, 1000)


def test_weights_of_another_width_bring_their_classes(tmp_path: Path) -> None:
    module = torchvision.models.squeezenet1_1(num_classes=3)
    save_file(module.state_dict(), tmp_path / "w.safetensors", {"class_names": json.dumps(["cat", "dog", "cow"])})
    classifier = load_classifier("squeezenet1_1", weights=tmp_path / "w.safetensors", device="cpu")
    assert classifier.class_names == ("cat", "dog", "cow")
    torch.save(LeNet(11).state_dict(), tmp_path / "w.pth")
    assert load_classifier("lenet-mnist", weights=tmp_path / "w.pth", device="cpu").class_names[10] == "10"


def test_checkpoints_and_data_parallel_names_are_understood(tmp_path: Path) -> None:
    module = LeNet()
    state = {f"module.{name}": value for name, value in module.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "w.pth")
    classifier = load_classifier("lenet-mnist", weights=tmp_path / "w.pth", device="cpu")
    assert torch.equal(classifier.module.get_parameter("ip2.weight"), module.ip2.weight)


def averaged(module: LeNet) -> dict[str, Tensor]:
    return {name: value + 1 for name, value in module.state_dict().items()}


CHECKPOINTS: dict[str, Callable[[dict[str, Tensor], dict[str, Tensor]], Any]] = {
    "state_dict": lambda raw, ema: {"epoch": 3, "state_dict": raw},
    "model": lambda raw, ema: {"model": raw, "optimizer": {"lr": 0.1}},
    "model_state_dict": lambda raw, ema: {"model_state_dict": raw, "loss": 0.1},
    "net": lambda raw, ema: {"net": raw, "acc": 93.0},
    "network": lambda raw, ema: {"network": raw},
    "a nest in a nest": lambda raw, ema: {"model": {"state_dict": raw}},
    "an ema that holds no weights": lambda raw, ema: {"ema": {"decay": 0.99}, "state_dict": raw},
    "an ema that is None": lambda raw, ema: {"model_ema": None, "model": raw},
    "ema": lambda raw, ema: {"model": raw, "ema": ema},
    "state_dict_ema": lambda raw, ema: {"state_dict": raw, "state_dict_ema": ema},
    "model_ema": lambda raw, ema: {"state_dict": raw, "model_ema": {"module": ema}},
    "prefix module.": lambda raw, ema: {f"module.{name}": value for name, value in raw.items()},
    "prefix _orig_mod.": lambda raw, ema: {f"_orig_mod.{name}": value for name, value in raw.items()},
    "prefix model.": lambda raw, ema: {"state_dict": {f"model.{name}": value for name, value in raw.items()}},
    "two prefixes": lambda raw, ema: {f"module._orig_mod.{name}": value for name, value in raw.items()},
    "AveragedModel": lambda raw, ema: {"n_averaged": torch.tensor(5)} | {f"module.{k}": v for k, v in ema.items()},
    "float16": lambda raw, ema: {name: value.half() for name, value in raw.items()},
    "bfloat16": lambda raw, ema: {name: value.bfloat16() for name, value in raw.items()},
    "float64": lambda raw, ema: {name: value.double() for name, value in raw.items()},
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_checkpoints_of_every_kind_are_understood(kind: str, legacy: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = LeNet()
    ema = averaged(module)
    stored = CHECKPOINTS[kind](module.state_dict(), ema)
    torch.save(stored, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    state = load_classifier("lenet-mnist", weights=tmp_path / "w.pth", device="cpu").module.state_dict()
    wanted = ema if kind in ("ema", "state_dict_ema", "model_ema", "AveragedModel") else module.state_dict()
    rounding = {"float16": 1e-3, "bfloat16": 1e-2}.get(kind, 0.0)
    for name, value in wanted.items():
        assert state[name].dtype == torch.float32
        torch.testing.assert_close(state[name], value, rtol=rounding, atol=rounding)


def test_half_precision_in_safetensors_is_loaded_as_float32(tmp_path: Path) -> None:
    module = LeNet()
    save_file(
        {f"model.{name}": value.bfloat16() for name, value in module.state_dict().items()}, tmp_path / "w.safetensors"
    )
    state = load_classifier("lenet-mnist", weights=tmp_path / "w.safetensors", device="cpu").module.state_dict()
    assert torch.equal(state["ip2.weight"], module.ip2.weight.bfloat16().float())


def test_a_checkpoint_without_weights_is_refused(tmp_path: Path) -> None:
    for content in ({"state_dict": {}}, {"model": {"epoch": 3}}, {"optimizer": LeNet().state_dict()}, {}):
        torch.save(content, tmp_path / "w.pth")
        refused("lenet-mnist", "holds no state dict of plain tensors", weights=tmp_path / "w.pth")
    nested: Any = LeNet().state_dict()
    for _ in range(50):
        nested = {"model": nested}
    torch.save(nested, tmp_path / "w.pth")
    refused("lenet-mnist", "holds no state dict of plain tensors", weights=tmp_path / "w.pth")


def test_old_names_of_densenet_are_adapted(tmp_path: Path) -> None:
    module = torchvision.models.densenet121(num_classes=2)
    state = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name): value
        for name, value in module.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    torch.save(state, tmp_path / "w.pth")
    loaded = load_classifier("densenet121", weights=tmp_path / "w.pth", device="cpu").module.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in module.state_dict().items())


def test_auxiliary_classifiers_are_left_out(tmp_path: Path) -> None:
    module = torchvision.models.googlenet(num_classes=2, aux_logits=True, init_weights=False)
    assert any(name.startswith("aux1.") for name in module.state_dict())
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    loaded = load_classifier("googlenet", weights=tmp_path / "w.safetensors", device="cpu").module.state_dict()
    assert torch.equal(loaded["fc.weight"], module.fc.weight)
    assert not any(name.startswith("aux") for name in loaded)


WRAPPED = (
    "import neatfool as nf\n"
    "from torch import nn\n"
    "class Wrapped(nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.module = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))\n"
    "    def forward(self, x): return self.module(x)\n"
    "def make(): return nf.Classifier(Wrapped(), input_size=4, device='cpu')\n"
)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_network_with_a_part_called_module_keeps_that_name(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrapped_network.py").write_text(WRAPPED)
    monkeypatch.syspath_prepend(tmp_path)
    state = {"module.1.weight": torch.ones(5, 48), "module.1.bias": torch.arange(5.0)}
    torch.save({prefix + name: value for name, value in state.items()}, tmp_path / "w.pth")
    loaded = load_classifier("wrapped_network:make", weights=tmp_path / "w.pth", device="cpu").module.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_prefix_of_some_names_alone_is_no_wrapper(tmp_path: Path) -> None:
    state = LeNet().state_dict()
    state["module.conv1.weight"] = state.pop("conv1.weight")
    torch.save(state, tmp_path / "w.pth")
    refused("lenet-mnist", "conv1.weight is missing, module.conv1.weight is unknown", weights=tmp_path / "w.pth")


def test_a_classifier_is_taken_as_it_is_or_by_its_name() -> None:
    classifier = load_classifier("lenet-mnist", device="cpu")
    assert as_classifier(classifier) is classifier
    assert same_classifier(as_classifier("lenet-mnist"), classifier)
    with pytest.raises(ModelError, match=r"LeNet is a bare torch module; pass neatfool\.Classifier"):
        as_classifier(LeNet())  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="int is no classifier"):
        as_classifier(3)  # type: ignore[arg-type]


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    torch.save({"conv1.weight": Trap()}, tmp_path / "trap.pth")
    refused("lenet-mnist", "refused, because it is damaged or holds Python objects", weights=tmp_path / "trap.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Trap()))
    refused("lenet-mnist", "refused|not a readable", weights=tmp_path / "plain.pth")
    assert not marker.exists()


def test_bad_weights_files_are_one_sentence(tmp_path: Path) -> None:
    refused("lenet-mnist", "There is no weights file", weights=tmp_path / "absent.safetensors")
    (tmp_path / "w.txt").write_text("hello")
    refused("lenet-mnist", "must end in .safetensors", weights=tmp_path / "w.txt")
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 64)
    refused("lenet-mnist", "not a readable safetensors file", weights=tmp_path / "w.safetensors")
    for content in (b"", b"hello", b"PK\x03\x04" + bytes(100)):
        (tmp_path / "w.pth").write_bytes(content)
        refused("lenet-mnist", "refused|not a readable", weights=tmp_path / "w.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    refused("lenet-mnist", "holds no state dict", weights=tmp_path / "list.pth")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "change",
    [
        Tensor.to_sparse,
        lambda weight: weight.to("meta"),
        lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        lambda weight: torch.ones(1, 500).expand(10**9, 500),
    ],
    ids=["sparse", "meta", "quantized", "a few bytes that pretend to be a billion classes"],
)
def test_tensors_that_cannot_be_copied_are_refused(change: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    state = LeNet().state_dict()
    torch.save({**state, "ip2.weight": change(state["ip2.weight"])}, tmp_path / "odd.pth")
    refused("lenet-mnist", "plain tensors|cannot be loaded into LeNet", weights=tmp_path / "odd.pth")


def test_a_weight_of_no_numbers_does_not_make_a_billion_classes(tmp_path: Path) -> None:
    state = {name: value.contiguous() for name, value in LeNet().state_dict().items()}
    save_file({**state, "ip2.weight": torch.zeros(10**9, 0)}, tmp_path / "empty.safetensors")
    refused("lenet-mnist", "ip2.weight is 1000000000x0 instead of 10x500", weights=tmp_path / "empty.safetensors")


@pytest.mark.parametrize("versions", [5, {"": 5}, {"": {"version": "new"}}, {"": {"version": 99}}])
def test_versions_in_a_file_that_make_no_sense_are_passed_over(versions: Any, tmp_path: Path) -> None:
    for module in (LeNet(), mnasnet0_5()):
        state = module.state_dict()
        state._metadata = versions  # type: ignore[attr-defined]
        torch.save(state, tmp_path / "odd.pth")
        load_weights(module, read_weights(tmp_path / "odd.pth")[0], "odd.pth")


def test_weights_of_another_model_name_the_first_differences(tmp_path: Path) -> None:
    state = LeNet().state_dict()
    save_file({**state, "ip1.weight": torch.zeros(500, 400)}, tmp_path / "shape.safetensors")
    refused(
        "lenet-mnist",
        "shape.safetensors .* ip1.weight is 500x400 instead of 500x800",
        weights=tmp_path / "shape.safetensors",
    )
    state.pop("conv2.bias")
    save_file({**state, "extra": torch.zeros(1)}, tmp_path / "keys.safetensors")
    refused("lenet-mnist", "conv2.bias is missing, extra is unknown", weights=tmp_path / "keys.safetensors")
    refused("squeezenet1_1", "and [0-9]+ more; choose the model", weights=tmp_path / "keys.safetensors")


@pytest.fixture
def custom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of factories in the current directory; its name."""
    name = f"factories_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(
        "import neatfool.classifiers.classifier as c\n"
        "from torch import nn\n"
        "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(48, 5))\n"
        "def good(): return c.Classifier(net(), input_size=4, device='cpu', name='mine')\n"
        "def mistaken(): return c.Classifier(net(), input_size=5, device='cpu', name='mine')\n"
        "def number(): return 3\n"
        "def broken(): raise KeyError('oops')\n"
        "constant = 4\n"
    )
    monkeypatch.chdir(tmp_path)
    return name


def test_a_factory_in_the_current_directory_makes_the_classifier(custom: str, tmp_path: Path) -> None:
    path = list(sys.path)
    classifier = load_classifier(f"{custom}:good", device="cpu")
    assert (classifier.name, classifier.n_classes) == ("mine", 5)
    assert sys.path == path
    state = {name: torch.ones_like(value) for name, value in classifier.module.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    loaded = load_classifier(f"{custom}:good", weights=tmp_path / "w.safetensors", device="cpu")
    np.testing.assert_allclose(loaded.confidences(np.zeros((1, 3, 4, 4), np.uint8)), 0.2)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("net", "bare torch module; return neatfool.Classifier"),
        ("number", "returned a int; return a neatfool.Classifier"),
        ("broken", "KeyError: 'oops'"),
        ("absent", "has no function absent"),
        ("constant", "has no function constant"),
        ("mistaken", "mine fails on a batch of shape"),
        ("", "package.module:factory or ./file.py:factory names one of your own"),
        ("godo", "close names are good"),
    ],
)
def test_wrong_factories_are_one_sentence(custom: str, factory: str, message: str) -> None:
    refused(f"{custom}:{factory}", message)


def test_a_module_that_cannot_be_imported_is_one_sentence(custom: str) -> None:
    refused("no_such_package.module:factory", "ModuleNotFoundError")
    refused(f"{custom}:good", "leave out --weights none", weights="none")
    refused(f"{custom}:good", "made for one crop", crops=10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        "alexnet",
        "convnext_tiny",
        "densenet121",
        "efficientnet_b0",
        "googlenet",
        "inception_v3",
        "maxvit_t",
        "mnasnet0_5",
        "mobilenet_v3_small",
        "regnet_y_400mf",
        "resnet18",
        "shufflenet_v2_x0_5",
        "swin_v2_t",
        "vgg11_bn",
        "vit_b_32",
    ],
)
def test_torchvision_models_build_and_reload(model: str, tmp_path: Path) -> None:
    classifier = load_classifier(model, weights="none", device="cpu")
    assert classifier.n_classes == 1000
    image = np.random.default_rng(0).integers(0, 256, (1, 3, *classifier.image_size), dtype=np.uint8)
    expected = classifier.confidences(image)
    assert classifier.features(image).shape[1] > 100
    state = {name: value.contiguous() for name, value in classifier.module.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    loaded = load_classifier(model, weights=tmp_path / "w.safetensors", device="cpu")
    np.testing.assert_array_equal(loaded.confidences(image), expected)
