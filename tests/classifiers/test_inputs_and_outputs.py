"""What a user's module wants and returns: channel order, layout, ranges, sizes, and outputs of every form."""

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neatfool.classifiers import Classifier
from neatfool.errors import ModelError
from neatfool.experiments.ascent.start import mean_image

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
Pair = namedtuple("Pair", "logits aux")


class Weighted(nn.Module):
    """A network whose answer depends on the place of every number in its input; `wrap` changes what it returns."""

    def __init__(self, inputs: int = 3 * 6 * 5, outputs: int = 4, wrap: Callable[[Tensor], Any] | None = None) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        logits = self.fc(torch.tanh(x.reshape(len(x), -1)))
        return self.wrap(logits) if self.wrap else logits


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def pixels(n: int = 5, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, channels, 6, 5), dtype=np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def of(module: Weighted, inputs: np.ndarray) -> np.ndarray:
    """The network's logits in double precision, calculated by numpy."""
    weight, bias = (value.detach().double().numpy() for value in (module.fc.weight, module.fc.bias))
    return np.tanh(inputs.reshape(len(inputs), -1)) @ weight.T + bias


def wrapped(module: nn.Module, **options: Any) -> Classifier:
    return Classifier(module, **({"input_size": (6, 5), "device": "cpu", "chunk": 4} | options))


VARIANTS: dict[str, tuple[dict[str, Any], Callable[[np.ndarray], np.ndarray]]] = {
    "bgr": (
        {"channel_order": "bgr", "mean": MEAN, "std": STD},
        lambda x: (x[:, ::-1] / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1)),
    ),
    "nhwc": ({"layout": "nhwc"}, lambda x: x.transpose(0, 2, 3, 1) / 255),
    "bgr nhwc, as of Caffe in Keras": (
        {"layout": "nhwc", "channel_order": "bgr", "value_range": (0, 255), "mean": (103.9, 116.8, 123.7)},
        lambda x: x[:, ::-1].transpose(0, 2, 3, 1) - np.array([103.9, 116.8, 123.7]),
    ),
    "from -1 to 1": ({"value_range": (-1, 1)}, lambda x: x / 127.5 - 1),
    "from -1 to 1, then normalised": (
        {"value_range": (-1, 1), "mean": MEAN, "std": STD},
        lambda x: (x / 127.5 - 1 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1)),
    ),
    "from 0 to 255": ({"value_range": (0, 255)}, lambda x: x.astype(float)),
}


@pytest.mark.parametrize(
    ("variant", "backend"),
    [*((variant, "torch") for variant in VARIANTS), ("bgr nhwc, as of Caffe in Keras", "openvino")],
)
def test_images_reach_the_module_as_it_wants_them(variant: str, backend: str) -> None:
    options, expected = VARIANTS[variant]
    module = Weighted()
    classifier = wrapped(module, backend=backend, **options)
    images = pixels()
    np.testing.assert_allclose(classifier.confidences(images), softmax(of(module, expected(images))), atol=2e-6)
    x = torch.from_numpy(images).float().requires_grad_()
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    classifier.logits(x)[:, 1].sum().backward()
    np.testing.assert_allclose(seen[0].detach().numpy(), expected(images), atol=1e-4)
    # The derivative of row 1 by the chain rule, through the same change of place that the images took.
    inner = module.fc.weight[1].detach().double().numpy() * (1 - np.tanh(expected(images).reshape(5, -1)) ** 2)
    slope = (expected(np.ones((1, 3, 6, 5))) - expected(np.zeros((1, 3, 6, 5))))[0]
    places = expected(np.arange(1, 91.0).reshape(1, 3, 6, 5)) - expected(np.zeros((1, 3, 6, 5)))
    order = np.rint(places[0] / slope).astype(int).ravel() - 1
    wanted = np.empty((5, 90))
    wanted[:, order] = inner * slope.ravel()
    np.testing.assert_allclose(x.grad.reshape(5, -1).numpy(), wanted, rtol=2e-3, atol=1e-6)


@pytest.mark.slow
def test_compiled_networks_get_the_same() -> None:
    options, expected = VARIANTS["bgr nhwc, as of Caffe in Keras"]
    module = Weighted(wrap=lambda logits: {"logits": logits / 100})
    try:
        classifier = wrapped(module, backend="compile", **options)
    except ModelError as error:
        pytest.skip(str(error))
    found = classifier.confidences(pixels())
    np.testing.assert_allclose(found, softmax(of(module, expected(pixels())) / 100), atol=2e-6)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: (logits, logits + 1),
        lambda logits: [logits],
        lambda logits: ("loss", logits),
        lambda logits: Pair(logits, None),
        lambda logits: {"loss": logits.sum(), "logits": logits, "embedding": 2 * logits},
        lambda logits: OrderedDict(loss=None, prediction=logits, maps=logits[..., None]),
        lambda logits: SimpleNamespace(logits=logits, hidden_states=None),
    ],
)
def test_outputs_are_found_in_what_is_returned(wrap: Callable[[Tensor], Any]) -> None:
    module = Weighted(wrap=wrap)
    classifier = wrapped(module)
    np.testing.assert_allclose(classifier.confidences(pixels()), softmax(of(module, pixels() / 255)), atol=2e-6)
    assert classifier.logits(torch.zeros((1, 3, 6, 5))).shape == (1, 4)
    assert classifier.features(pixels()).shape == (5, 90)


def test_models_of_transformers_return_their_logits() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.modeling_outputs import ImageClassifierOutput

    assert transformers
    module = Weighted(wrap=lambda logits: ImageClassifierOutput(logits=logits))
    np.testing.assert_allclose(wrapped(module).confidences(pixels()), softmax(of(module, pixels() / 255)), atol=2e-6)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_one_logit_is_two_classes(flat: bool, backend: str) -> None:
    module = Weighted(outputs=1, wrap=(lambda logits: logits[:, 0]) if flat else None)
    classifier = wrapped(module, outputs="binary-logit", class_names=["cat", "dog"], backend=backend)
    dog = 1 / (1 + np.exp(-of(module, pixels() / 255)[:, 0]))
    np.testing.assert_allclose(classifier.confidences(pixels()), np.column_stack([1 - dog, dog]), atol=2e-6)
    assert classifier.class_names == ("cat", "dog")
    logits = classifier.logits(torch.from_numpy(pixels()).float())
    np.testing.assert_allclose(logits.softmax(1).numpy()[:, 1], dog, atol=2e-6)
    assert classifier.features(pixels()).shape == (5, 90)
    assert classifier.preprocessing()["outputs"] == "binary-logit"


def test_one_probability_is_two_classes() -> None:
    module = Weighted(outputs=1, wrap=torch.sigmoid)
    classifier = wrapped(module, outputs="binary-probability")
    dog = 1 / (1 + np.exp(-of(module, pixels() / 255)[:, 0]))
    np.testing.assert_allclose(classifier.confidences(pixels()), np.column_stack([1 - dog, dog]), atol=2e-6)


@pytest.mark.parametrize(
    ("outputs", "wrap", "options", "message"),
    [
        (4, lambda logits: {"a": logits, "b": logits}, {}, "a dict of a, b with neither logits nor a single tensor"),
        (4, lambda logits: {}, {}, "a dict of nothing with neither logits"),
        (4, lambda logits: ("a", 3), {}, "returns a tuple instead of a tensor"),
        (1, None, {}, 'pass outputs="binary-logit"'),
        (1, lambda logits: logits[:, 0], {}, 'pass outputs="binary-logit"'),
        (4, None, {"outputs": "binary-logit"}, "one number per image, not shape"),
        (1, None, {"outputs": "binary-probability"}, 'pass outputs="binary-logit"'),
        (4, None, {"channel_order": "grb"}, "channel_order must be 'rgb' or 'bgr'"),
        (4, None, {"layout": "NHWC"}, "layout must be 'nchw' or 'nhwc'"),
        (4, None, {"value_range": (1, -1)}, r"such as \(-1, 1\)"),
        (4, None, {"value_range": (0, 255), "scale": 1.0}, "pass one of them"),
        (4, None, {"channels": 1, "channel_order": "bgr"}, "leave it out for gray"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    outputs: int, wrap: Callable[[Tensor], Any] | None, options: dict[str, Any], message: str
) -> None:
    torch.manual_seed(0)
    module = Weighted(outputs=outputs, wrap=wrap)
    nn.init.constant_(module.fc.bias, 3.0)
    with pytest.raises(ModelError, match=message) as caught:
        wrapped(module, **options)
    assert "\n" not in str(caught.value)


def test_an_ascent_begins_at_the_mean_in_rgb() -> None:
    classifier = wrapped(Weighted(), channel_order="bgr", value_range=(0, 255), mean=(103, 116, 123))
    np.testing.assert_allclose(mean_image(classifier)[:, 0, 0], [123, 116, 103])
    np.testing.assert_allclose(mean_image(wrapped(Weighted(), value_range=(-1, 1)))[:, 0, 0], 127.5)


def test_the_description_is_part_of_the_identity() -> None:
    module = Weighted()
    plain = wrapped(module)
    assert not plain.preprocessing().keys() & {"channel_order", "layout", "value_range"}
    changed = [{"channel_order": "bgr"}, {"value_range": (-1, 1)}, {"layout": "nhwc"}]
    prints = {wrapped(module, **options).fingerprint() for options in changed}
    assert len(prints | {plain.fingerprint()}) == 4
    assert wrapped(module, channel_order="bgr").preprocessing()["channel_order"] == "bgr"
    # Two ways to say the same.
    same = wrapped(module, scale=2 / 255, mean=(1, 1, 1))
    assert same.fingerprint() == wrapped(module, value_range=(-1, 1)).fingerprint()
    other = wrapped(module, layout="nhwc", channel_order="bgr").with_module(module, "abcd")
    assert other.preprocessing() == wrapped(module, layout="nhwc", channel_order="bgr").preprocessing()
