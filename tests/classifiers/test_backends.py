"""Other ways through a network: the same confidences, or one sentence that says what is missing."""

import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import neatfool as nf
from neatfool.errors import ModelError
from neatfool.training import TrainingSettings, fit

openvino = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Small(nn.Module):
    """Takes (N, 3, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.norm = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 4 * self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


class Choosy(nn.Module):
    """Asks for the values of its input, which no graph can hold."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = x.mean((1, 2, 3))
        return torch.stack([means, -means] if float(means[0]) > 0 else [-means, means], 1)


def small(**options: object) -> nf.Classifier:
    torch.manual_seed(3)
    settings = {"input_size": 16, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.25), "device": "cpu", "chunk": 4}
    return nf.Classifier(Small(), **(settings | options))  # type: ignore[arg-type]


def pixels(n: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)


@openvino
@pytest.mark.parametrize("crops", [1, 10])
def test_openvino_agrees_with_torch_and_ignores_how_a_batch_is_split(crops: int) -> None:
    pytest.importorskip("openvino")
    options = {"crops": crops, **({"image_size": 20} if crops == 10 else {})}
    classifier = small(backend="openvino", **options)
    images = pixels(11, 20 if crops == 10 else 16)
    found = classifier.confidences(images)
    np.testing.assert_allclose(found, small(**options).confidences(images), atol=2e-6)
    np.testing.assert_array_equal(classifier.confidences(images[::-1])[::-1], found)
    np.testing.assert_array_equal(np.concatenate([classifier.confidences(images[i : i + 4]) for i in (0, 4, 8)]), found)


@openvino
def test_gradients_are_torchs_whatever_the_backend() -> None:
    pytest.importorskip("openvino")
    x = torch.from_numpy(pixels(2)).float().requires_grad_()
    logits = small(backend="openvino").logits(x)
    torch.testing.assert_close(logits, small().logits(x))
    logits.sum().backward()
    assert x.grad is not None and bool(x.grad.abs().sum() > 0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_agrees_with_torch() -> None:
    images = pixels(6)
    found = small(backend="compile").confidences(images)
    np.testing.assert_allclose(found, small().confidences(images), atol=2e-6)


def test_sixteen_bits_change_little_and_the_softmax_is_not_among_them() -> None:
    images = pixels(6)
    found = small(precision="bfloat16").confidences(images)
    exact = small().confidences(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(found, exact, atol=0.05)
    assert not np.array_equal(found, exact)


class Steep(nn.Module):
    """Its logits reach a million, which float16 cannot hold."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 16 * 16, 5)
        nn.init.constant_(self.head.weight, 1e4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.flatten(1))


def test_numbers_that_16_bits_cannot_hold_are_refused_and_the_old_way_stays() -> None:
    with pytest.raises(
        ModelError, match="Steep returns infinite or undefined numbers in float16 with the backend torch"
    ):
        nf.Classifier(Steep(), input_size=16, device="cpu", precision="float16")
    classifier = nf.Classifier(Steep(), input_size=16, device="cpu")
    before = classifier.confidences(pixels(2))
    with pytest.raises(ModelError, match="take the precision float32"):
        classifier.run_with(precision="float16")
    assert classifier.precision == "float32"
    np.testing.assert_array_equal(classifier.confidences(pixels(2)), before)
    assert np.isfinite(classifier.run_with(precision="bfloat16").confidences(pixels(2))).all()


def test_a_stream_gives_the_confidences_of_all_its_chunks_and_leaves_their_memory_free() -> None:
    classifier = small()
    images = pixels(10)

    def chunks():  # type: ignore[no-untyped-def]
        buffer = classifier.image_buffer()
        for start in range(0, 10, 4):
            part = images[start : start + 4]
            buffer[: len(part)] = part
            yield buffer[: len(part)]
            buffer[:] = 0

    np.testing.assert_array_equal(classifier.stream_confidences(chunks()), classifier.confidences(images))
    assert classifier.stream_confidences(iter(())).shape == (0, 5)
    with pytest.raises(ValueError, match="uint8"):
        classifier.stream_confidences([np.zeros((1, 3, 16, 16), np.float32)])
    with pytest.raises(ValueError, match="chunks of at most 4 images, not 5"):
        classifier.stream_confidences([images[:5]])


@openvino
def test_a_run_remembers_its_backend_and_precision(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    classifier = nf.load_classifier("lenet-mnist", device="cpu", backend="openvino", precision="bfloat16")
    whole = nf.evolve(classifier, generations=4, batch=20, out=tmp_path / "whole")
    nf.evolve(classifier, generations=2, batch=20, out=tmp_path / "part")
    resumed = nf.resume(tmp_path / "part", generations=4)
    assert (resumed.classifier.backend, resumed.classifier.precision) == ("openvino", "bfloat16")
    np.testing.assert_array_equal(resumed.archive.confidence, whole.archive.confidence)


@openvino
def test_weights_given_to_a_users_own_function_reach_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    torch.manual_seed(9)
    other = Small()
    torch.save(other.state_dict(), tmp_path / "other.pth")
    module = types.ModuleType("own_backend")
    module.make = lambda: small(backend="openvino")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_backend", module)
    loaded = nf.load_classifier("own_backend:make", weights=tmp_path / "other.pth")
    images = pixels(4)
    expected = nf.Classifier(
        other, input_size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25), device="cpu", chunk=4
    ).confidences(images)
    np.testing.assert_allclose(loaded.confidences(images), expected, atol=2e-6)
    assert not np.allclose(small().confidences(images), expected, atol=1e-3)


@openvino
def test_what_openvino_runs_is_not_trained() -> None:
    pytest.importorskip("openvino")
    images, labels = torch.from_numpy(pixels(10)), torch.arange(10) % 5
    with pytest.raises(ModelError, match="train it with the backend torch"):
        fit(small(backend="openvino"), images, labels, settings=TrainingSettings(epochs=1, batch=5))


def test_what_cannot_be_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="backend must be torch, compile, openvino, not 'onnx'"):
        small(backend="onnx")
    with pytest.raises(ModelError, match="precision must be float32, bfloat16, float16, not 'int8'"):
        small(precision="int8")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"pip install 'neatfool\[openvino\]'"):
        small(backend="openvino")


@openvino
def test_a_network_openvino_cannot_run_is_named() -> None:
    pytest.importorskip("openvino")
    with pytest.raises(ModelError, match="OpenVINO cannot run Choosy"):
        nf.Classifier(Choosy(), input_size=8, device="cpu", backend="openvino")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_gpu_agrees_and_its_run_repeats(precision: str) -> None:
    images = pixels(11)
    found = small(device="cuda", precision=precision).confidences(images)
    np.testing.assert_allclose(found, small().confidences(images), atol=1e-5 if precision == "float32" else 0.02)
    runs = [
        nf.evolve(nf.load_classifier("lenet-mnist", device="cuda", precision=precision), generations=20, batch=450)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(runs[0].archive.confidence, runs[1].archive.confidence)
    judged = runs[0].classifier.confidences(runs[0].archive.pixels())
    np.testing.assert_allclose(judged[np.arange(10), np.arange(10)], runs[0].archive.confidence, atol=1e-3)
