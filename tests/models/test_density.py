"""The generative classifier: a normalised density, fitted by likelihood, whose posterior is Bayes' rule."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from torch import Tensor

from neatfool.classifiers.layers import seeded
from neatfool.data import read_mnist
from neatfool.errors import ConfigError, ModelError
from neatfool.models import load_classifier
from neatfool.models.density import (
    DensityModel,
    Thresholds,
    bits_per_dimension,
    fit_density,
    log_joint,
    log_likelihood,
)
from neatfool.training import TrainingSettings, save_classifier, train_classifier

DIGITS = 10


def toy(seed: int, *, side: int) -> DensityModel:
    """A model of tiny images with random parameters, weights and p(y), in double precision."""
    random = torch.Generator().manual_seed(seed)
    model = DensityModel(3, side=side, components=2, factors=1).double()
    model.means.copy_(2 * torch.randn(model.means.shape, generator=random))
    model.loadings.copy_(torch.randn(model.loadings.shape, generator=random))
    model.variances.copy_(0.3 + 3 * torch.rand(model.variances.shape, generator=random))
    model.log_weights.copy_(torch.randn(3, 2, generator=random).log_softmax(1))
    model.log_prior.copy_(torch.randn(3, generator=random).log_softmax(0))
    model.prepare()
    return model


def blobs(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Bright bars on black, at a height that depends on the class: uint8 images and labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % DIGITS
    images = np.zeros((count, 1, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 + 2 * label : 5 + 2 * label, 4:24] = random.integers(200, 256, (3, 20))
    return torch.from_numpy(images), torch.from_numpy(labels)


def unlike_each_other(seed: int) -> npt.NDArray[np.uint8]:
    """Black, white, noise, black-and-white noise and bars: uint8 (200, 1, 28, 28)."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (200, 1, 28, 28), dtype=np.uint8)
    images[50:100] = 255 * (images[50:100] > 127)
    images[100] = 0
    images[101] = 255
    images[150:] = blobs(50, seed=seed)[0].numpy()
    return images


@pytest.mark.parametrize("seed", range(3))
def test_log_p_is_that_of_full_covariances_and_the_change_of_variables(seed):
    model = toy(seed, side=3)
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 9))
    pixels[0], pixels[1] = 0, 255
    middle = pixels + 0.5
    z = np.log(middle / (256 - middle))
    log_slope = np.log(1 / middle + 1 / (256 - middle)).sum(1)
    found = model.log_joint(torch.from_numpy(pixels).double().reshape(-1, 1, 3, 3)).numpy()
    for label in range(3):
        components = []
        for index in (2 * label, 2 * label + 1):
            loadings = model.loadings[index].numpy()
            covariance = loadings @ loadings.T + np.diag(model.variances[index].numpy())
            components.append(multivariate_normal(model.means[index].numpy(), covariance).logpdf(z))
        mixed = logsumexp(np.stack(components, 1) + model.log_weights[label].numpy(), axis=1)
        assert found[:, label] == pytest.approx(mixed + log_slope + float(model.log_prior[label]), abs=1e-9)


def test_the_density_of_each_class_integrates_to_its_probability():
    # Nodes close together at both ends, where the density is steep.
    brightness = 256 * torch.linspace(-25, 25, 20_001, dtype=torch.float64).sigmoid()
    for seed in range(3):
        model = toy(seed, side=1)
        density = model.log_joint((brightness - 0.5).reshape(-1, 1, 1, 1)).exp()
        integral = torch.trapezoid(density, brightness, dim=0)
        assert torch.allclose(integral, model.log_prior.exp(), atol=1e-6)


def test_single_precision_is_a_hundredth_of_a_nat_off():
    images = unlike_each_other(0)
    exact = load_classifier("density-mnist", device="cpu").module.double()
    exact.prepare()
    expected = exact.log_joint(torch.from_numpy(images).double()).numpy()
    found = log_joint(load_classifier("density-mnist", device="cpu").module, images)
    assert np.abs(found - expected).max() < 0.03
    assert found.argmax(1).tolist() == expected.argmax(1).tolist()


def test_neither_the_place_in_a_chunk_nor_the_split_of_a_batch_changes_a_bit():
    images = unlike_each_other(1)
    classifier = load_classifier("density-mnist-typical", device="cpu")
    assert (log_joint(classifier.module, images[:100])[7:] == log_joint(classifier.module, images[7:107])[:93]).all()
    classifier.module.temperature.fill_(1000)
    together = classifier.confidences(images)
    assert len(np.unique(together)) > 1000
    assert (together == np.concatenate([classifier.confidences(part) for part in np.split(images, 2)])).all()


def test_the_posterior_is_bayes_rule_and_rejection_a_further_source(tmp_path):
    images, labels = blobs(48, seed=0)
    trained, _ = train_classifier("density-mnist", images, labels, settings=TrainingSettings(epochs=1), device="cpu")
    assert trained.class_names == tuple("0123456789")
    path = tmp_path / "density.safetensors"
    save_classifier(trained, path, notes={})
    assert path.stat().st_size < 3e6
    some = images[:7].numpy()
    joint = log_joint(trained.module, some)
    assert (log_joint(load_classifier("density-mnist", weights=path, device="cpu").module, some) == joint).all()
    evidence = log_likelihood(joint)
    assert np.allclose(trained.confidences(some), np.exp(joint - evidence[:, np.newaxis]), atol=1e-4)

    # Thresholds between the images, so that some of them are accepted.
    low, typical_low, typical_high = np.quantile(evidence, (0.4, 0.3, 0.8))
    trained.module.thresholds.copy_(torch.tensor([low, typical_low, typical_high]))
    save_classifier(trained, path, notes={})
    sources = {
        "density-mnist-reject": np.full(7, low),
        "density-mnist-typical": np.logaddexp(typical_low, 2 * evidence - typical_high),
    }
    for name, rejected in sources.items():
        classifier = load_classifier(name, weights=path, device="cpu")
        assert classifier.class_names == (*"0123456789", "rejected")
        logits = np.column_stack([joint, rejected])
        expected = np.exp(logits - logits.max(1, keepdims=True))
        expected /= expected.sum(1, keepdims=True)
        assert np.allclose(classifier.confidences(some), expected, atol=2e-3)
        assert 0 < (expected[:, -1] > 0.5).sum() < 7


def test_thresholds_reject_one_percent():
    likelihood = np.random.default_rng(0).permutation(10_001).astype(np.float64)
    low, typical_low, typical_high = Thresholds.of(likelihood)
    assert (low, typical_low, typical_high) == pytest.approx((100, 50, 9950))
    assert (likelihood < low).sum() == 100
    assert ((likelihood < typical_low) | (likelihood > typical_high)).sum() == 100


def test_bits_per_dimension_of_a_uniform_image_is_eight():
    assert bits_per_dimension(np.array([-4 * math.log(256)]), 4) == pytest.approx(8)


@given(seed=st.integers(0, 2**32 - 1), components=st.integers(1, 4), factors=st.integers(1, 5))
@settings(max_examples=20)
def test_no_iteration_makes_the_images_less_likely(seed, components, factors):
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(240) % 2
    centres = torch.randn(6, 16, generator=random)
    around = torch.randn(240, 3, generator=random) @ torch.randn(3, 16, generator=random)
    images = (100 * (centres[torch.arange(240) % 6] + around) + 128).clamp(0, 255).to(torch.uint8).reshape(-1, 1, 4, 4)
    model = DensityModel(2, side=4, components=components, factors=factors)
    nats: list[float] = []
    priors: list[float] = []

    def on_epoch(_epoch: int, bits: float) -> None:
        nats.append(bits * 220 * 16 * math.log(2))
        priors.append(float(model.log_weights.double().sum()))

    fit_density(model, images, labels, epochs=8, seed=seed, on_epoch=on_epoch)
    # What is told of an iteration is the likelihood before it, and the weights have a prior.
    objective = np.array(priors[:-1]) - np.array(nats[1:])
    assert (np.diff(objective) > -1e-6 * abs(nats[0])).all()
    # A single component may start where it ends, but for rounding.
    assert nats[-1] < nats[0] + (1e-6 * abs(nats[0]) if components == 1 else 0)


def test_training_learns_the_classes_and_leaves_the_generators_alone():
    images, labels = blobs(240, seed=0)
    before = torch.random.get_rng_state()
    (first, history), (second, again), (other, _) = (
        train_classifier("density-mnist", images, labels, settings=TrainingSettings(epochs=2, seed=seed), device="cpu")
        for seed in (1, 1, 2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert again == history
    assert second.weights_hash() == first.weights_hash() != other.weights_hash()
    unseen, digits = blobs(60, seed=9)
    joint = log_joint(first.module, unseen)
    assert (joint.argmax(1) == digits.numpy()).mean() > 0.9
    noise = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), dtype=np.uint8)
    low = float(first.module.thresholds[0])
    assert (log_likelihood(joint) > low).mean() > 0.8
    assert (log_likelihood(log_joint(first.module, noise)) < low).all()


def test_prior_and_thresholds_are_those_of_the_images():
    images, labels = blobs(120, seed=0)
    labels = torch.where(labels > 4, labels % 2, labels)
    with seeded(0):
        model = DensityModel(5, components=2, factors=2)
    fit_density(model, images, labels, epochs=1, seed=0, on_epoch=lambda *_: None)
    learnt = torch.bincount(labels[:110]) / 110
    assert model.log_prior.exp().tolist() == pytest.approx(learnt.tolist())
    held_out = Thresholds.of(log_likelihood(log_joint(model, images[110:])))
    assert model.thresholds.tolist() == pytest.approx(held_out)


def test_too_few_images_are_refused():
    with pytest.raises(ConfigError, match="at least 24 images"):
        train_classifier("density-mnist", *blobs(20, seed=0), device="cpu")


def test_a_class_without_images_is_refused():
    images, labels = blobs(60, seed=0)
    with pytest.raises(ConfigError, match="no image of class 7 among the 55"):
        train_classifier("density-mnist", images, torch.where(labels == 7, 1, labels), device="cpu")


def test_weights_that_make_no_density_are_refused(tmp_path):
    classifier = load_classifier("density-mnist", weights="none", device="cpu")
    classifier.module.variances[3, 5] = -30.0
    save_classifier(classifier, tmp_path / "negative.safetensors", notes={})
    with pytest.raises(ModelError, match="infinite or undefined"):
        load_classifier("density-mnist", weights=tmp_path / "negative.safetensors", device="cpu")
    save_classifier(load_classifier("mlp-mnist", weights="none", device="cpu"), tmp_path / "mlp.safetensors", notes={})
    with pytest.raises(ModelError, match="does not fit DensityModel: means is missing"):
        load_classifier("density-mnist", weights=tmp_path / "mlp.safetensors", device="cpu")


def test_the_shipped_weights_read_digits_and_tell_them_from_what_is_none(shared: Path):
    images, labels = (values[:2000] for values in read_mnist(shared / "data", "test"))
    model = load_classifier("density-mnist", device="cpu").module
    joint = log_joint(model, images)
    evidence = log_likelihood(joint)
    low, typical_low, typical_high = model.thresholds.tolist()
    assert (joint.argmax(1) == labels.numpy()).mean() > 0.96
    assert (evidence < low).mean() < 0.03
    assert ((evidence < typical_low) | (evidence > typical_high)).mean() < 0.03
    assert (log_likelihood(log_joint(model, 255 - images[:100])) < low).all()
    assert float(log_likelihood(log_joint(model, torch.zeros_like(images[:1])))[0]) > typical_high
