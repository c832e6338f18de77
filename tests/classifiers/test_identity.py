"""The fingerprint: equal for equal classifiers, wherever they are; another one for every ingredient."""

import copy
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neatfool.classifiers import Classifier, fingerprint, same_classifier
from neatfool.models import load_classifier, save_classifier


class Net(nn.Module):
    def __init__(self, *, power: float = 2.0, activation: Callable[[torch.Tensor], torch.Tensor] = torch.tanh) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.attend = nn.MultiheadAttention(4, 2)
        self.fc = nn.Linear(4, 3)
        self.power = power
        self.activation = activation
        self.sizes = (1, "a", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.drop(self.activation(self.norm(self.conv(x)))).mean((2, 3)) ** self.power)


class OtherNet(Net):
    """The same settings and weights, another type."""


def net(kind: type[Net] = Net, **options: Any) -> Net:
    torch.manual_seed(0)
    return kind(**options)


def made(module: nn.Module | None = None, **options: Any) -> Classifier:
    settings: dict[str, Any] = {"input_size": 8, "device": "cpu", "chunk": 4}
    return Classifier(module or net(), **(settings | options))


def with_(change: Callable[[Any], Any]) -> Callable[[], Classifier]:
    def make() -> Classifier:
        module = net()
        change(module)
        return made(module)

    return make


INGREDIENTS: dict[str, Callable[[], Classifier]] = {
    "type": lambda: made(net(OtherNet)),
    "public setting": lambda: made(net(power=3.0)),
    "tuple": with_(lambda module: setattr(module, "sizes", (1, "b", None))),
    "function": lambda: made(net(activation=torch.sin)),
    "another module inside": lambda: made(nn.Sequential(net(), nn.Tanh())),
    "setting of torch's module": with_(lambda module: setattr(module.norm, "eps", 0.1)),
    "setting that torch does not print": with_(lambda module: setattr(module.attend, "num_heads", 1)),
    "weight": with_(lambda module: module.fc.bias.data.add_(1e-6)),
    "buffer": with_(lambda module: module.norm.running_mean.add_(1e-6)),
    "scale": lambda: made(scale=1 / 256),
    "mean": lambda: made(mean=(0, 0, 0.1)),
    "std": lambda: made(std=(1, 1, 0.5)),
    "input size": lambda: made(input_size=9),
    "resize size": lambda: made(resize_size=8),
    "interpolation": lambda: made(interpolation="bicubic"),
    "crops": lambda: made(crops=10),
    "outputs": lambda: made(nn.Sequential(net(), nn.Softmax(1)), outputs="probabilities"),
    "class names": lambda: made(class_names=["a", "b", "c"]),
    "precision": lambda: made(precision="bfloat16"),
}


@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_every_ingredient_counts(ingredient: str) -> None:
    changed = INGREDIENTS[ingredient]
    assert fingerprint(changed()) == changed().fingerprint() != made().fingerprint()
    assert not same_classifier(changed(), made())


def test_a_repeated_module_counts_each_time() -> None:
    def repeated(times: int) -> Classifier:
        activation = nn.Tanh()
        return made(nn.Sequential(net(), *[activation] * times))

    assert repeated(1).fingerprint() != repeated(2).fingerprint()


def test_name_chunk_and_training_mode_do_not_count() -> None:
    other = made(name="another", chunk=2)
    other.module.train()
    assert same_classifier(other, made())


def test_images_and_copies_leave_it_alone() -> None:
    classifier = made(copy.deepcopy(net()))
    before = classifier.fingerprint()
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    classifier.confidences(images)
    classifier.features(images)
    x = torch.from_numpy(images).float().requires_grad_()
    classifier.logits(x).sum().backward()
    assert classifier.fingerprint() == before == made().fingerprint()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_leaves_it_alone() -> None:
    assert made().to("cuda").fingerprint() == made().fingerprint()
    assert same_classifier(
        load_classifier("density-mnist", device="cuda"), load_classifier("density-mnist", device="cpu")
    )


def test_models_that_share_their_weights_differ() -> None:
    densities = [load_classifier(f"density-mnist{kind}", device="cpu") for kind in ("", "-reject", "-typical")]
    assert len({classifier.weights_hash() for classifier in densities}) == 1
    assert len({classifier.fingerprint() for classifier in densities}) == 3


def test_a_temperature_counts() -> None:
    first, warmer = (load_classifier("density-mnist", device="cpu") for _ in range(2))
    warmer.module.get_buffer("temperature").fill_(10)
    assert not same_classifier(first, warmer)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_openvino_runs_has_one_too() -> None:
    pytest.importorskip("openvino")
    first, again = (load_classifier("lenet-mnist", device="cpu", backend="openvino") for _ in range(2))
    first.confidences(np.zeros((2, 1, 28, 28), np.uint8))
    assert same_classifier(first, again)
    assert not same_classifier(first, load_classifier("lenet-mnist", device="cpu"))


def test_it_is_the_same_after_a_reload_in_threads_and_in_another_process(tmp_path: Path) -> None:
    classifier = load_classifier("lenet-mnist", device="cpu")
    save_classifier(classifier, tmp_path / "w.safetensors", notes={})
    assert same_classifier(load_classifier("lenet-mnist", weights=tmp_path / "w.safetensors", device="cpu"), classifier)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(classifier.fingerprint())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    program = "import neatfool as nf; print(nf.load_classifier('lenet-mnist', device='cpu').fingerprint())"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {*found, other.stdout.strip()} == {classifier.fingerprint()}


def test_a_script_that_is_run_makes_what_it_makes_when_imported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "import neatfool as nf\n"
        "class Network(torch.nn.Module):\n"
        "    def forward(self, x): return torch.stack([x.mean((1, 2, 3)), -x.mean((1, 2, 3))], 1)\n"
        "def make(): return nf.Classifier(Network(), input_size=4, device='cpu')\n"
        "if __name__ == '__main__': print(make().fingerprint())\n"
    )
    printed = [
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for command in (
            [sys.executable, "mine.py"],
            [sys.executable, "-c", "import mine; print(mine.make().fingerprint())"],
        )
    ]
    assert printed[0] == printed[1] != ""
