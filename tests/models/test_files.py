"""Models that are files: ONNX, OpenVINO, TorchScript, torch.export; what describes them, and what is wrong with some."""

import json
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neatfool as nf
from neatfool.classifiers import Classifier
from neatfool.cli import run
from neatfool.data import read_photograph
from neatfool.errors import ModelError
from neatfool.models import ModelConfig, load_classifier

openvino = pytest.importorskip("openvino")
pytestmark = pytest.mark.filterwarnings("ignore")

KINDS = ["onnx", "xml", "pt2", "ts"]
JUDGING = ["onnx", "xml"]
LENET = "input_size = 28\nchannels = 1\nscale = 0.00390625\n"


def convert(module: nn.Module, example: torch.Tensor, path: Path, *, fixed: bool = False) -> None:
    """Writes a module in the format that the path's ending says."""
    dynamic = None if fixed else ({0: torch.export.Dim("batch")},)
    module = module.eval()
    if path.suffix == ".ts":
        torch.jit.save(torch.jit.trace(module, example), path)
    elif path.suffix == ".pt2":
        torch.export.save(torch.export.export(module, (example,), dynamic_shapes=dynamic), path)
    elif path.suffix == ".xml":
        program = torch.export.export(module, (example,), dynamic_shapes=dynamic)
        shape = [len(example) if fixed else -1, *example.shape[1:]]
        openvino.save_model(openvino.convert_model(program, input=[shape]), path, compress_to_fp16=False)
    else:
        pytest.importorskip("onnxscript")
        torch.onnx.export(module, (example,), path, dynamo=True, dynamic_shapes=dynamic, verbose=False)


@pytest.fixture(scope="module")
def lenet() -> Classifier:
    return load_classifier("lenet-mnist", device="cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, lenet: Classifier) -> Path:
    """LeNet in every format, for any batch and, as `fixed`, for batches of 3, and what describes them."""
    folder = tmp_path_factory.mktemp("lenet")
    with warnings.catch_warnings(action="ignore"):
        for kind in KINDS:
            convert(lenet.module, torch.zeros(2, 1, 28, 28), folder / f"lenet.{kind}")
        for kind in ("onnx", "xml", "pt2"):
            convert(lenet.module, torch.zeros(3, 1, 28, 28), folder / f"fixed.{kind}", fixed=True)
    for name in ("lenet", "fixed"):
        (folder / f"{name}.toml").write_text(LENET)
    return folder


def digits(n: int = 7) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 1, 28, 28), dtype=np.uint8)


def refused(path: Path | str, message: str, **options: Any) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_classifier(str(path), **({"device": "cpu"} | options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*(f"lenet.{kind}" for kind in KINDS), "fixed.onnx", "fixed.xml", "fixed.pt2"])
def test_a_file_judges_as_the_network_that_it_was_made_from(name: str, files: Path, lenet: Classifier) -> None:
    classifier = load_classifier(str(files / name), device="cpu")
    assert (classifier.name, classifier.image_shape, classifier.outputs) == (name, (1, 28, 28), "logits")
    np.testing.assert_allclose(classifier.confidences(digits()), lenet.confidences(digits()), atol=1e-5)
    np.testing.assert_array_equal(
        np.concatenate([classifier.confidences(digits(12)[: classifier.chunk])]),
        classifier.confidences(digits(12))[: classifier.chunk],
    )
    assert classifier.chunk == {"fixed.pt2": 3, "fixed.onnx": 12, "fixed.xml": 12}.get(name, 100)
    assert load_classifier(str(files / name), device="cpu").fingerprint() == classifier.fingerprint()


@pytest.mark.parametrize("name", ["lenet.ts", "lenet.pt2", "fixed.pt2"])
def test_gradients_are_those_of_the_network(name: str, files: Path, lenet: Classifier) -> None:
    classifier = load_classifier(str(files / name), device="cpu")
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())
    found = []
    for one in (classifier, lenet):
        x = torch.from_numpy(digits(5)).float().requires_grad_()
        one.logits(x)[:, 3].sum().backward()
        found.append(x.grad)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)
    result = nf.ascend(classifier, classes="3", settings=nf.AscentSettings(steps=3))
    assert result.images.shape[0] == 1


@pytest.mark.parametrize("name", ["lenet.onnx", "lenet.xml"])
def test_what_openvino_runs_has_no_gradients(name: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ascend", "--model", str(files / name), "--class", "3", "--out", str(files / "ascent")]) == 2
    assert "has no gradients" in capsys.readouterr().err
    refused(files / name, "leave out --backend", backend="compile")
    refused(files / name, "leave out --backend and --precision", precision="bfloat16")
    refused(files / name, "take --device cpu", device="cuda")


def test_a_file_cannot_be_retrained(files: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a model file has no layers"):
        nf.classifiers.add_class(load_classifier(str(files / "lenet.ts"), device="cpu"), "new", seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_remembers_the_file_from_any_folder(
    kind: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    out = tmp_path / "run"
    options = ["--generations", "2", "--batch", "10", "--quiet", "--out", str(out)]
    assert run(["evolve", "--model", f"lenet.{kind}", *options]) == 0
    monkeypatch.chdir(tmp_path)
    assert str(files / f"lenet.{kind}") in (out / "config.toml").read_text().replace("\\\\", "\\")
    assert run(["resume", str(out), "--generations", "3", "--quiet"]) == 0
    # A stranger's folder may name what OpenVINO reads; the other files can run code.
    shutil.copytree(out, tmp_path / "copy")
    capsys.readouterr()
    assert run(["resume", str(tmp_path / "copy"), "--generations", "4", "--quiet"]) == (0 if kind in JUDGING else 2)
    assert ("--trust" in capsys.readouterr().err) == (kind not in JUDGING)
    assert run(["resume", str(tmp_path / "copy"), "--generations", "5", "--quiet", "--trust"]) == 0


def test_python_remembers_it_too(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    classifier = load_classifier("lenet.onnx", device="cpu")
    assert ModelConfig.of(classifier).name == str(files / "lenet.onnx")
    assert ModelConfig(name="./lenet.onnx").name == str(files / "lenet.onnx")
    nf.evolve("lenet.onnx", generations=1, batch=5, out=tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert nf.resume("run", generations=2).generation == 2


def test_another_file_under_the_same_name_is_another_classifier(files: Path, tmp_path: Path) -> None:
    for ending in ("onnx", "onnx.data", "toml"):
        if (files / f"lenet.{ending}").exists():
            shutil.copy(files / f"lenet.{ending}", tmp_path)
    before = load_classifier(str(tmp_path / "lenet.onnx"), device="cpu")
    assert before.fingerprint() == load_classifier(str(files / "lenet.onnx"), device="cpu").fingerprint()
    (tmp_path / "lenet.toml").write_text(LENET + 'channel_order = "rgb"\nmean = [0.1]\n')
    described = load_classifier(str(tmp_path / "lenet.onnx"), device="cpu")
    assert described.weights_hash() == before.weights_hash() and described.fingerprint() != before.fingerprint()
    data = tmp_path / "lenet.onnx.data"
    if data.exists():
        content = bytearray(data.read_bytes())
        content[100:104] = np.float32(0.123).tobytes()
        data.write_bytes(content)
        assert load_classifier(str(tmp_path / "lenet.onnx"), device="cpu").weights_hash() != before.weights_hash()
        data.unlink()
        refused(tmp_path / "lenet.onnx", "lenet.onnx")


class Tiny(nn.Module):
    """Means over the image, one class each; for any size."""

    def __init__(self, head: Callable[[torch.Tensor], Any] | None = None, *, nhwc: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 3)
        self.head, self.nhwc = head or nn.Identity(), nhwc

    def forward(self, x: torch.Tensor) -> Any:
        x = x.permute(0, 3, 1, 2) if self.nhwc else x
        return self.head(self.conv(x).mean((2, 3)))


def tiny_logits(images: np.ndarray, mean: Any, std: Any) -> np.ndarray:
    x = (images / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    with torch.no_grad():
        return Tiny().conv.double()(torch.from_numpy(x)).mean((2, 3)).numpy()


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_description_imagenets_is_assumed_and_said(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    convert(Tiny(), torch.zeros(2, 3, 8, 6), tmp_path / f"tiny.{kind}")
    if kind == "ts":
        (tmp_path / "tiny.json").write_text(json.dumps({"input_size": [8, 6]}))
    images = np.random.default_rng(1).integers(0, 256, (3, 3, 8, 6), dtype=np.uint8)
    with caplog.at_level(logging.WARNING):
        classifier = load_classifier(str(tmp_path / f"tiny.{kind}"), device="cpu")
    assert "RGB with ImageNet's mean and std is assumed" in caplog.text and "tiny.toml" in caplog.text
    expected = softmax(tiny_logits(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    np.testing.assert_allclose(classifier.confidences(images), expected, atol=1e-5)
    assert classifier.class_names == tuple("01234")


def test_a_description_says_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    convert(Tiny(nn.Softmax(1), nhwc=True), torch.zeros(2, 8, 6, 3), tmp_path / "tiny.onnx")
    said = {
        "value_range": [0, 1],
        "mean": [0.1, 0.2, 0.3],
        "channel_order": "bgr",
        "class_names": list("abcde"),
        "resize_size": 9,
        "outputs": "probabilities",
    }
    (tmp_path / "tiny.json").write_text(json.dumps(said))
    classifier = load_classifier(str(tmp_path / "tiny.onnx"), device="cpu")
    assert not [record for record in caplog.records if record.name.startswith("neatfool")]
    images = np.random.default_rng(1).integers(0, 256, (3, 3, 8, 6), dtype=np.uint8)
    expected = softmax(tiny_logits(images[:, ::-1], (0.1, 0.2, 0.3), (1, 1, 1)))
    np.testing.assert_allclose(classifier.confidences(images), expected, atol=1e-5)
    assert classifier.class_names == tuple("abcde")
    assert classifier.preprocessing()["layout"] == "nhwc" and classifier.resize_size == 9


def test_probabilities_are_noticed(tmp_path: Path) -> None:
    convert(Tiny(nn.Softmax(1)), torch.zeros(2, 3, 8, 8), tmp_path / "tiny.pt2")
    assert load_classifier(str(tmp_path / "tiny.pt2"), device="cpu").outputs == "probabilities"


def test_several_outputs_are_found_by_name(tmp_path: Path) -> None:
    class Several(Tiny):
        def forward(self, x: torch.Tensor) -> Any:
            logits = super().forward(x)
            return logits * 2, logits

    onnxscript = pytest.importorskip("onnxscript")
    assert onnxscript
    path = tmp_path / "tiny.onnx"
    torch.onnx.export(
        Several(), (torch.zeros(2, 3, 8, 8),), path, dynamo=True, output_names=["features", "logits"], verbose=False
    )
    images = np.random.default_rng(1).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    expected = softmax(tiny_logits(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    found = load_classifier(str(path), device="cpu").confidences(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_class_names_are_read_from_the_file(tmp_path: Path) -> None:
    names = json.dumps(list("vwxyz"))
    scripted = torch.jit.trace(Tiny(), torch.zeros(2, 3, 8, 8))
    torch.jit.save(scripted, tmp_path / "a.ts", _extra_files={"class_names": names})
    (tmp_path / "a.toml").write_text("input_size = 8")
    exported = torch.export.export(Tiny(), (torch.zeros(2, 3, 8, 8),))
    torch.export.save(exported, tmp_path / "a.pt2", extra_files={"class_names": names})
    onnx = pytest.importorskip("onnx")
    convert(Tiny(), torch.zeros(2, 3, 8, 8), tmp_path / "a.onnx")
    for key, value in (("class_names", names), ("names", str(dict(enumerate("vwxyz"))))):
        model = onnx.load(tmp_path / "a.onnx")
        onnx.helper.set_model_props(model, {key: value})
        onnx.save(model, tmp_path / f"{key}.onnx")
    for file in ("a.ts", "a.pt2", "class_names.onnx", "names.onnx"):
        assert load_classifier(str(tmp_path / file), device="cpu").class_names == tuple("vwxyz"), file


def test_sizes_that_the_file_leaves_open(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    onnxscript = pytest.importorskip("onnxscript")
    assert onnxscript
    batch, height, width = (torch.export.Dim(name) for name in "bhw")
    shapes = ({0: batch, 2: height, 3: width},)
    path = tmp_path / "open.onnx"
    torch.onnx.export(Tiny(), (torch.zeros(2, 3, 8, 9),), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert load_classifier(str(path), device="cpu").input_size == (224, 224)
    assert "224x224 is assumed, unless input_size" in caplog.text
    (tmp_path / "open.toml").write_text("input_size = [10, 12]\nscale = 1\n")
    assert load_classifier(str(path), device="cpu").image_shape == (3, 10, 12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input_size = 32", "height 28, but its description says 32"),
        ("channels = 3", "channels 1, but its description says 3"),
        ("channels = 2", "channels"),
        ("colour = 1", "lenet.toml, which describes lenet.onnx: The setting colour cannot be used"),
        ("mean = [1, 2]", "mean has 2 numbers for 1 channels; .*lenet.toml"),
        ('outputs = "probabilities"', "does not return probabilities"),
        ('class_names = ["a"]', "10 classes but 1 class names"),
        ("scale = nan", "finite"),
        ("mean = ", "cannot be read"),
        ("\0", "cannot be read"),
    ],
)
def test_a_wrong_description_is_one_sentence(text: str, message: str, files: Path, tmp_path: Path) -> None:
    for file in files.glob("lenet.onnx*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "lenet.toml").write_text(text)
    refused(tmp_path / "lenet.onnx", message)


def test_two_descriptions_are_one_too_many(files: Path, tmp_path: Path) -> None:
    shutil.copy(files / "lenet.ts", tmp_path)
    for ending in ("toml", "json"):
        (tmp_path / f"lenet.{ending}").write_text("")
    refused(tmp_path / "lenet.ts", "Both .*lenet.toml and lenet.json describe lenet.ts; remove one")
    (tmp_path / "lenet.toml").unlink()
    for text in ("", "[]", '{"mean": NaN}', "[" * 100_000):
        (tmp_path / "lenet.json").write_text(text)
        refused(tmp_path / "lenet.ts", "lenet.json, which describes lenet.ts")


@pytest.mark.parametrize("ending", ["onnx", "xml", "pt2", "ts", "pt", "torchscript"])
def test_bad_files_are_one_sentence(ending: str, files: Path, tmp_path: Path) -> None:
    path = tmp_path / f"bad.{ending}"
    refused(path, "There is no model file")
    path.mkdir()
    refused(path, "not a regular file")
    path.rmdir()
    (tmp_path / "bad.bin").write_bytes(b"")
    whole = files / f"lenet.{'ts' if ending in ('pt', 'torchscript') else ending}"
    content = whole.read_bytes()
    for bad in (b"", b"hello", b"PK\x03\x04" + bytes(100), b"<net></net>", content[: len(content) // 2]):
        path.write_bytes(bad)
        refused(path, "bad")
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(17 * 2**30)  # a hole, no bytes on the disk
    refused(path, "more than the 17,179,869,184")
    path.unlink()
    path.write_bytes(content)
    refused(path, "holds its own weights; leave out --weights", weights="none")


def test_a_state_dict_is_no_torchscript(lenet: Classifier, tmp_path: Path) -> None:
    torch.save(lenet.module.state_dict(), tmp_path / "lenet.pt")
    refused(tmp_path / "lenet.pt", "pass it as --weights of the model it is for")
    refused(tmp_path / "lenet.pth", "is a file of weights; pass it with --weights")
    refused(tmp_path / "lenet.safetensors", "is a file of weights")


def test_a_network_of_something_else_is_one_sentence(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)) + y

    two = (torch.zeros(2, 3, 8, 8), torch.zeros(2, 3))
    torch.export.save(torch.export.export(Two(), two), tmp_path / "two.pt2")
    openvino.save_model(openvino.convert_model(torch.export.export(Two(), two)), tmp_path / "two.xml")
    refused(tmp_path / "two.pt2", "takes other inputs than one batch of images")
    refused(tmp_path / "two.xml", "takes 2 inputs")
    convert(nn.Linear(4, 3), torch.zeros(2, 4), tmp_path / "flat.xml")
    refused(tmp_path / "flat.xml", "takes 2-dimensional inputs")
    convert(nn.Conv2d(4, 3, 1), torch.zeros(2, 4, 8, 8), tmp_path / "four.pt2")
    refused(tmp_path / "four.pt2", "images of 4 channels")
    convert(nn.Conv2d(3, 3, 1), torch.zeros(2, 3, 8, 8), tmp_path / "map.xml")
    refused(tmp_path / "map.xml", r"returns shape \(2, 3, 8, 8\) .*map.toml")
    convert(Tiny(nn.Linear(5, 1)), torch.zeros(2, 3, 8, 8), tmp_path / "one.ts")
    (tmp_path / "one.toml").write_text("input_size = 8")
    refused(tmp_path / "one.ts", 'outputs="binary-logit"')
    (tmp_path / "one.toml").write_text('input_size = 8\noutputs = "binary-logit"')
    assert load_classifier(str(tmp_path / "one.ts"), device="cpu").n_classes == 2


def test_openvino_is_asked_for(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("openvino", "openvino.frontend"):
        monkeypatch.setitem(sys.modules, name, None)
    refused(files / "lenet.onnx", r"pip install 'neatfool\[onnx\]'")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_weights_of_an_onnx_file_lie_beside_it(files: Path, tmp_path: Path) -> None:
    data = files / "lenet.onnx.data"
    if not data.exists():
        pytest.skip("this torch keeps the weights inside")
    shutil.copy(files / "lenet.onnx", tmp_path)
    shutil.copy(files / "lenet.toml", tmp_path)
    (tmp_path / "lenet.onnx.data").symlink_to(data)
    refused(tmp_path / "lenet.onnx", "lenet.onnx")


def test_the_same_files_give_the_same_bits_with_one_thread_and_two(files: Path) -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(load_classifier(str(files / "lenet.onnx"), device="cpu").confidences(digits(40)))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_squeezenet_judges_photographs_as_torch_does(kind: str, shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights/squeezenet1_0_imagenet.safetensors"
    torch_one = load_classifier("squeezenet1_0", weights=weights, device="cpu")
    convert(torch_one.module, torch.zeros(2, 3, 224, 224), tmp_path / f"squeezenet.{kind}")
    classifier = load_classifier(str(tmp_path / f"squeezenet.{kind}"), device="cpu")
    paths = sorted((shared / "data/imagenet-sample/val").glob("*/*.JPEG"))[:60:10]
    images = np.stack([read_photograph(path, torch_one) for path in paths])
    np.testing.assert_allclose(classifier.confidences(images), torch_one.confidences(images), atol=1e-4)
    if kind not in JUDGING:
        found = []
        for one in (classifier, torch_one):
            x = torch.from_numpy(images[:1]).float().requires_grad_()
            one.logits(x)[:, 1].sum().backward()
            found.append(x.grad)
        # Rounding turns a few ReLUs and maxima, which changes single pixels of the gradient, though not the whole.
        assert (found[0] - found[1]).norm() <= 0.01 * found[1].norm()
