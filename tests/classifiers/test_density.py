"""The generative classifier: its probabilities add up, its posterior is Bayes' rule, its thresholds are quantiles."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import logistic

from neatfool.classifiers import load_classifier
from neatfool.classifiers.density import (
    DensityModel,
    Thresholds,
    bits_per_dimension,
    fit_density,
    log_discretised_logistic,
    log_joint,
    log_likelihood,
)
from neatfool.classifiers.layers import seeded
from neatfool.classifiers.training import TrainingSettings, save_classifier, train_classifier
from neatfool.errors import ConfigError

DIGITS = 10


def toy(seed: int, *, levels: int, side: int = 2) -> DensityModel:
    """A model of tiny images with random parameters several times as large as untrained ones."""
    with seeded(seed):
        model = DensityModel(3, side=side, levels=levels, channels=6, hidden=5, components=2).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model.eval().requires_grad_(False)


def blobs(count: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bright bars on black, at a height that depends on the class: uint8 images and labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % DIGITS
    images = np.zeros((count, 1, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 + 2 * label : 5 + 2 * label, 4:24] = random.integers(200, 256, (3, 20))
    return torch.from_numpy(images), torch.from_numpy(labels)


@pytest.mark.parametrize("levels", [2, 4])
def test_the_probabilities_of_all_images_sum_to_one(levels):
    values = list(itertools.product(range(levels), repeat=4))
    every = torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 2, 2)
    for seed in range(3):
        joint = toy(seed, levels=levels).log_joint(every)
        given_class = (joint + math.log(3)).exp().sum(0)
        assert torch.allclose(given_class, torch.ones(3, dtype=torch.float64), atol=1e-9)
        assert joint.exp().std() > 0.001  # nothing like a uniform distribution


def test_a_pixel_is_not_told_about_later_ones():
    model = toy(1, levels=256, side=6)
    x = torch.randint(0, 256, (1, 1, 6, 6), generator=torch.Generator().manual_seed(0)).double()
    x.requires_grad_(True)
    for row, column in ((0, 0), (2, 3), (5, 5)):
        context = model._context(x)[0, row, column]
        seen = torch.autograd.grad(context.square().sum(), x)[0][0, 0]
        assert (seen.flatten()[row * 6 + column :] == 0).all()
        assert row * 6 + column == 0 or seen.flatten()[row * 6 + column - 1] != 0


@given(
    x=st.integers(0, 255),
    mean=st.floats(-1.5, 1.5),
    log_scale=st.floats(-4, 2),
)
def test_a_pixels_distribution_is_the_rounded_logistic(x, mean, log_scale):
    half = 1 / 255
    centre = 2 * x / 255 - 1
    upper = 1.0 if x == 255 else logistic.cdf(centre + half, mean, math.exp(log_scale))
    lower = 0.0 if x == 0 else logistic.cdf(centre - half, mean, math.exp(log_scale))
    found = log_discretised_logistic(
        *(torch.tensor(value, dtype=torch.float64) for value in (float(x), mean, log_scale)), 256
    )
    assert float(found.exp()) == pytest.approx(upper - lower, abs=1e-12, rel=1e-6)


def test_the_posterior_is_bayes_rule_and_rejection_a_further_source(tmp_path):
    images, labels = blobs(48, seed=0)
    trained, _ = train_classifier("density-mnist", images, labels, settings=TrainingSettings(epochs=1), device="cpu")
    assert trained.class_names == tuple("0123456789")
    path = tmp_path / "density.safetensors"
    save_classifier(trained, path, notes={})
    some = images[:7].numpy()
    joint = log_joint(trained.module, some)
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


@pytest.mark.slow
def test_training_learns_the_classes_and_leaves_the_generators_alone():
    images, labels = blobs(240, seed=0)
    before = torch.random.get_rng_state()
    settings = TrainingSettings(epochs=3, seed=1)
    (first, history), (_, again) = (
        train_classifier("density-mnist", images, labels, settings=settings, device="cpu") for _ in range(2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    # Threads add gradients up in an order of their own, so that repeated trainings agree but for rounding.
    assert [epoch.loss for epoch in again] == pytest.approx([epoch.loss for epoch in history], rel=1e-3)
    assert history[0].loss > history[-1].loss
    unseen, digits = blobs(60, seed=9)
    joint = log_joint(first.module, unseen)
    assert (joint.argmax(1) == digits.numpy()).mean() > 0.5
    noise = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), dtype=np.uint8)
    low = float(first.module.thresholds[0])
    assert (log_likelihood(joint) > low).mean() > 0.8
    assert (log_likelihood(log_joint(first.module, noise)) < low).all()


def test_the_prior_is_the_frequency_of_the_classes():
    images, labels = blobs(100, seed=0)
    labels = torch.where(labels > 4, 0, labels)
    with seeded(0):
        model = DensityModel()
    fit_density(model, images, labels, epochs=1, seed=0, on_epoch=lambda *_: None)
    assert model.log_prior.exp().tolist() == pytest.approx([61 / 110] + [11 / 110] * 4 + [1 / 110] * 5)


def test_too_few_images_are_refused():
    with pytest.raises(ConfigError, match="at least 24 images"):
        train_classifier("density-mnist", *blobs(20, seed=0), device="cpu")
