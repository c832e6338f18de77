import json
import sys
from pathlib import Path

import numpy as np
import pytest
import quadrants
import torch
from pytorch_ood.detector import odin_preprocessing
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from torch import nn

import neatfool as nf
from neatfool.data import batches, open_dataset
from neatfool.experiments.audit.detection import Detection, DetectorResult, measure_detectors
from neatfool.runs import StopRequestedError
from neatfool.shared.progress import Progress

NAMES = ["max softmax", "max softmax (T)", "entropy", "entropy (T)", "max logit", "energy", "energy (T)", "ODIN", "KNN"]


def real_images(count: int = 60, *, seed: int = 0, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Images with one bright quadrant, never the same."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    bright = quadrants.lit(*labels).astype(int) * 5 // 8
    return (bright + rng.integers(0, 96, (count, channels, 8, 8))).astype(np.uint8), labels


def dark(count: int = 30) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 20, (count, 1, 8, 8)).astype(np.uint8)


def measured(classifier: nf.Classifier | None = None, **fooling: np.ndarray) -> Detection:
    classifier = classifier or quadrants.classifier()
    images, labels = real_images(channels=classifier.channels)
    return measure_detectors(classifier, images, labels, fooling or {"dark": dark()})


def detector(found: Detection, name: str) -> DetectorResult:
    return next(one for one in found.detectors if one.name == name)


def test_scores_are_those_of_plain_numpy():
    classifier, images = quadrants.classifier(), dark()
    found = measured(classifier)
    logits = classifier.logits(torch.tensor(images).float()).double().numpy()
    t = found.temperature

    def softmax(values):
        powers = np.exp(values - values.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def entropy(values):
        return -(softmax(values) * np.log(softmax(values))).sum(1)

    expected = {
        "max softmax": -softmax(logits).max(1),
        "max softmax (T)": -softmax(logits / t).max(1),
        "entropy": entropy(logits),
        "entropy (T)": entropy(logits / t),
        "max logit": -logits.max(1),
        "energy": -np.log(np.exp(logits).sum(1)),
        "energy (T)": -t * np.log(np.exp(logits / t).sum(1)),
    }
    for name, scores in expected.items():
        np.testing.assert_allclose(detector(found, name).attacks["dark"].scores, scores, rtol=1e-5, err_msg=name)


def test_the_temperature_minimises_the_cross_entropy_of_the_first_half():
    classifier = quadrants.classifier()
    images, labels = real_images(400)
    labels = np.where(
        np.arange(400) % 5, labels, (labels + 1) % 4
    )  # a fifth are wrong, so that the network is too sure
    found = measure_detectors(classifier, images, labels, {"dark": dark()})
    half = np.random.default_rng(0).permutation(400)[:200]
    logits = classifier.logits(torch.tensor(images[half]).float()).double()
    losses = {
        t: float(nn.functional.cross_entropy(logits / t, torch.tensor(labels[half]))) for t in np.arange(0.3, 5, 0.01)
    }
    assert found.temperature == pytest.approx(min(losses, key=losses.get), abs=0.02)


def test_neighbours_are_those_of_the_first_half():
    classifier = quadrants.classifier()
    images, _ = real_images()
    found = measured(classifier)
    half = np.random.default_rng(0).permutation(60)[:30]

    def unit(pixels):
        values = classifier.features(pixels)
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    distances, _ = NearestNeighbors(n_neighbors=5).fit(unit(images[half])).kneighbors(unit(dark()))
    np.testing.assert_allclose(detector(found, "KNN").attacks["dark"].scores, distances[:, -1], rtol=1e-5)


def test_odin_steps_in_pixels_as_its_authors_do_in_normalised_ones():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.1)
    classifier = nf.Classifier(module, input_size=8, mean=mean, std=std, device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8)).astype(np.uint8)
    images, labels = real_images(channels=3)
    found = measure_detectors(classifier, images, labels, {"noise": pixels})
    x = (torch.tensor(pixels) / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    stepped = odin_preprocessing(module, x, eps=0.0014, temperature=1000, norm_std=std)
    expected = -(module(stepped) / 1000).softmax(1).max(1).values.detach().numpy()
    np.testing.assert_allclose(detector(found, "ODIN").attacks["noise"].scores, expected, atol=2e-7)


def test_figures_are_those_of_the_scores():
    found = measured(dark=dark(), real=real_images(25, seed=3)[0])
    for one in found.detectors:
        together = np.concatenate([attack.scores for attack in one.attacks.values()])
        for attack, scores in [(one.overall, together), *((attack, attack.scores) for attack in one.attacks.values())]:
            truth = np.repeat([0, 1], [len(one.real_scores), len(scores)])
            auroc = roc_auc_score(truth, np.concatenate([one.real_scores, scores]))
            assert attack.auroc == pytest.approx(auroc, abs=1e-9)
            threshold = np.sort(scores)[len(scores) - int(np.ceil(0.95 * len(scores)))]
            assert attack.fpr95 == pytest.approx((one.real_scores >= threshold).mean())
            assert attack.rejected == (scores > one.threshold).mean()
        assert one.false_rejection == (one.real_scores > one.threshold).mean()
    assert found.fitted == found.measured == len(found.detectors[0].real_scores) == 30


def test_images_without_a_bright_quadrant_are_caught_and_further_real_ones_are_not():
    found = measured(dark=dark(), real=real_images(30, seed=3)[0])
    assert [one.name for one in found.detectors] == [*NAMES, "ViM"] and not found.skipped
    for name in ("max softmax", "entropy (T)", "max logit", "energy", "ODIN"):
        one = detector(found, name)
        assert (
            one.attacks["dark"].auroc == pytest.approx(1)
            and one.attacks["dark"].rejected == 1
            and one.attacks["dark"].fpr95 == 0
        )
        assert 0.3 < one.attacks["real"].auroc < 0.7 and one.attacks["real"].rejected < 0.2
        assert 0.6 < one.overall.auroc < 0.9
        assert one.false_rejection < 0.2


def test_the_threshold_costs_one_percent_of_the_first_half():
    images, labels = real_images(1000)
    found = measure_detectors(quadrants.classifier(), images, labels, {"dark": dark()})
    first = np.random.default_rng(0).permutation(1000)[:500]
    sure = quadrants.classifier().confidences(images[first]).max(1)
    assert (-sure > detector(found, "max softmax").threshold).sum() == 5
    for one in found.detectors:
        assert one.false_rejection < 0.04, one.name


class Probabilities(quadrants.Quadrants):
    def forward(self, x):
        return super().forward(x).softmax(1)


class NoGradient(quadrants.Quadrants):
    def forward(self, x):
        return super().forward(x).detach()


class NoLayer(nn.Module):
    def forward(self, x):
        return 4 * nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


class Rectified(quadrants.Quadrants):
    def forward(self, x):
        return (super().forward(x) - 1).relu()


@pytest.mark.parametrize(
    ("module", "outputs", "skipped", "why"),
    [
        (Probabilities(), "probabilities", {"max logit", "energy", "energy (T)", "ViM"}, "returns probabilities"),
        (NoGradient(), "logits", {"ODIN"}, "no gradient"),
        (NoLayer(), "logits", {"KNN", "ViM"}, "no last linear layer"),
        (Rectified(), "logits", {"ViM"}, "no linear function"),
    ],
)
def test_what_a_classifier_cannot_have_is_left_out_and_said(module, outputs, skipped, why):
    found = measured(nf.Classifier(module, input_size=8, channels=1, outputs=outputs, device="cpu"))
    assert set(found.skipped) == skipped
    assert all(why in reason for reason in found.skipped.values())
    assert {one.name for one in found.detectors} == {*NAMES, "ViM"} - skipped


def test_probabilities_are_judged_as_the_logits_they_were_made_of():
    both = [
        measured(nf.Classifier(module, input_size=8, channels=1, outputs=outputs, device="cpu"))
        for module, outputs in ((Probabilities(), "probabilities"), (quadrants.Quadrants(), "logits"))
    ]
    for name in ("max softmax", "max softmax (T)", "entropy (T)", "ODIN"):
        one, other = (detector(found, name).attacks["dark"].scores for found in both)
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_the_same_inputs_give_the_same_bytes_and_leave_the_generators_alone():
    classifier = quadrants.classifier()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, other = measured(classifier), measured(classifier)
    for a, b in zip(one.detectors, other.detectors, strict=True):
        assert a.real_scores.tobytes() == b.real_scores.tobytes()
        assert a.attacks["dark"].scores.tobytes() == b.attacks["dark"].scores.tobytes()
    assert json.dumps(one.summary()) == json.dumps(other.summary())
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_another_seed_splits_otherwise():
    images, labels = real_images()
    splits = [
        measure_detectors(quadrants.classifier(), images, labels, {"dark": dark()}, seed=seed).detectors[0].real_scores
        for seed in (0, 1)
    ]
    assert not np.array_equal(*splits)


def test_the_summary_says_everything_but_the_scores():
    summary = json.loads(json.dumps(measured().summary()))
    assert set(summary) == {"fitted", "measured", "temperature", "detectors", "skipped"}
    first = summary["detectors"][0]
    assert set(first) == {"name", "auroc", "fpr95", "threshold", "false_rejection", "rejected", "attacks"}
    assert set(first["attacks"]["dark"]) == {"auroc", "fpr95", "rejected"}


def test_attacks_without_images_are_left_out():
    found = measured(dark=dark(), none=dark(0))
    assert set(found.detectors[0].attacks) == {"dark"}


def test_bad_input_is_refused():
    classifier, (images, labels) = quadrants.classifier(), real_images()
    with pytest.raises(nf.DataError, match="at least 20 real images, not 19"):
        measure_detectors(classifier, images[:19], labels[:19], {"dark": dark()})
    with pytest.raises(nf.DataError, match="no fooling images"):
        measure_detectors(classifier, images, labels, {"dark": dark(0)})
    with pytest.raises(ValueError, match="uint8"):
        measure_detectors(classifier, images, labels, {"dark": dark().astype(np.float32)})
    with pytest.raises(ValueError, match=r"\(60, 1, 8, 4\)"):
        measure_detectors(classifier, images[:, :, :, :4], labels, {"dark": dark()})
    with pytest.raises(ValueError, match="60 classes below 4"):
        measure_detectors(classifier, images, labels + 4, {"dark": dark()})


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_ood", None)
    with pytest.raises(nf.ConfigError, match=r"pip install 'neatfool\[audit\]'"):
        measured()


def test_progress_ends_at_the_total_and_stop_ends_it_at_once():
    images, labels = real_images()
    told: list[Progress] = []
    measure_detectors(quadrants.classifier(), images, labels, {"dark": dark()}, progress=told.append)
    assert (told[-1].done, told[-1].total, told[-1].unit) == (90, 90, "images")
    with pytest.raises(StopRequestedError):
        measure_detectors(quadrants.classifier(), images, labels, {"dark": dark()}, stop=lambda: True)


@pytest.mark.slow
def test_photographs_are_told_from_noise(shared: Path) -> None:
    classifier = nf.load_classifier(
        "squeezenet1_0", weights=shared / "weights/squeezenet1_0_imagenet.safetensors", device="cpu"
    )
    data = open_dataset(shared / "data/imagenet-sample/val", classifier)
    images, labels = next(batches(torch.utils.data.Subset(data, range(0, 1000, 20)), 50))
    noise = np.random.default_rng(0).integers(0, 256, (8, *classifier.image_shape)).astype(np.uint8)
    found = measure_detectors(classifier, images, labels, {"noise": noise})
    assert set(found.skipped) == {"ViM"}
    knn = detector(found, "KNN")
    assert knn.attacks["noise"].auroc == 1 and knn.attacks["noise"].rejected == 1
    assert detector(found, "ODIN").overall.auroc > 0.9
    assert detector(found, "max softmax").overall.rejected < 0.5
