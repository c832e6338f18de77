"""Judges that are no function of the image: refused, or judged twice."""

import itertools

import numpy as np
import pytest

import neatfool as nf

SHAPE = (1, 6, 6)


def brightness(images: np.ndarray) -> np.ndarray:
    mean = images.mean((1, 2, 3)) / 255
    return np.stack([mean, 1 - mean], 1)


class Noisy:
    """Adds luck to every answer and remembers what it was shown."""

    def __init__(self, size: float) -> None:
        self.rng = np.random.default_rng(0)
        self.size = size
        self.shown: dict[bytes, list[np.ndarray]] = {}

    def __call__(self, images: np.ndarray) -> np.ndarray:
        scores = brightness(images) * 0.5 + self.rng.random((len(images), 2)) * self.size
        for image, row in zip(images, scores, strict=True):
            self.shown.setdefault(image.tobytes(), []).append(row)
        return scores


def judge(function) -> nf.FunctionJudge:
    return nf.FunctionJudge(function, image_shape=SHAPE, classes=2, name="a judge")


@pytest.mark.parametrize(
    "function",
    [
        Noisy(0.01),
        lambda images: brightness(images)[::-1],
        lambda images: brightness(images) * 0.5 + images.mean() / 510,
    ],
    ids=["random", "reversed", "of the whole batch"],
)
def test_no_function_of_the_image_is_refused_before_anything_is_written(function, tmp_path):
    with pytest.raises(nf.ModelError, match=r"a judge is up to .* % surer of the very same image.*--allow-noise"):
        nf.evolve(judge(function), generations=1, batch=8, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_where_noise_is_allowed_an_elite_has_the_mean_of_two_judgements():
    noisy = Noisy(0.3)
    run = nf.evolve(judge(noisy), generations=10, batch=8, allow_noise=True)
    for cell, image in enumerate(run.archive.pixels()):
        # Other genomes may draw the same picture.
        pairs = itertools.combinations([row[cell] for row in noisy.shown[image.tobytes()]], 2)
        assert np.abs(np.mean(list(pairs), 1) - run.archive.confidence[cell]).min() < 1e-6
    assert run.evaluations == 88
    assert 0 < run.noise == run.summary()["noise"] < 0.3


def test_the_largest_difference_at_the_end_is_reported(caplog):
    steady = nf.evolve(judge(brightness), generations=3, batch=8)
    assert steady.noise == 0 and not caplog.records

    calls = []

    def fading(images):
        calls.append(len(images))
        return brightness(images) * (1 if len(calls) < 8 else 0.5)

    run = nf.evolve(judge(fading), generations=3, batch=8)
    assert run.noise == pytest.approx(run.archive.confidence.max() / 2, abs=1e-6)
    assert "a judge changed on the way" in caplog.text and "--allow-noise" in caplog.text


def test_a_run_that_allows_noise_resumes_so(tmp_path):
    nf.evolve(judge(Noisy(0.2)), generations=1, batch=8, allow_noise=True, out=tmp_path / "run")
    run = nf.resume(tmp_path / "run", generations=3, judge=judge(Noisy(0.2)))
    assert run.config.allow_noise and run.generation == 3


def test_confidences_are_between_0_and_1():
    with pytest.raises(nf.ModelError, match=r"returned the confidence 1.5; return confidences in \[0, 1\]"):
        nf.evolve(judge(lambda images: np.full((len(images), 2), 1.5)), generations=1, batch=8)
