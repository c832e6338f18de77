"""How long a retraining will take, before it starts."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from neatfool import Classifier
from neatfool.data import ImageArray
from neatfool.experiments.retraining.estimate import Amounts, Course, Pace, measure_pace, plan_round
from neatfool.search import EvolveConfig


def test_a_course_goes_from_0_to_1_by_the_seconds_of_its_parts():
    course = Course({"test": 10.0, "judge": 30.0}, {"collect": 60.0, "train": 20.0, "test": 10.0, "judge": 30.0}, 3)
    assert course.share(0, "", 0) == 0
    assert course.share(0, "judge", 0.5) == pytest.approx(25 / 400)
    assert course.share(1, "", 0) == pytest.approx(40 / 400)
    assert course.share(2, "train", 0.25) == pytest.approx((40 + 120 + 60 + 5) / 400)
    assert course.share(4, "", 0) == 1
    assert course.note() == "A round will take about 2 min here, everything about 7 min."


def test_a_round_is_planned_from_what_an_image_takes():
    pace = Pace(evolved=0.1, read=0.01, judged=0.02, trained=0.05)
    frozen = plan_round(pace, Amounts(tested=100, judging=50, collected=200, once=1000))
    assert frozen == {"collect": pytest.approx(20), "train": pytest.approx(30), "test": 3, "judge": 5}
    assert plan_round(pace, Amounts(tested=1, judging=1, shown=1000))["train"] == pytest.approx(60)


class Slow(nn.Module):
    """Waits a moment for every image; with batch statistics and dropout, which measuring must leave alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.002 * len(x))
        out: torch.Tensor = self.layers(x)
        return out


def test_measuring_changes_nothing_and_finds_the_time_that_an_image_takes():
    network = Classifier(Slow(), input_size=8, channels=1, name="slow", chunk=10)
    real = ImageArray(np.zeros((40, 1, 8, 8), np.uint8), np.zeros(40, np.int64))
    before, generator = network.fingerprint(), torch.random.get_rng_state()
    pace = measure_pace(network, network, real, [EvolveConfig()], batch=20, training_batch=20)
    assert network.fingerprint() == before
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert not network.module.training
    assert all(parameter.grad is None for parameter in network.module.parameters())
    for seconds in (pace.judged, pace.evolved, pace.trained):
        assert seconds >= 0.002
    assert pace.read >= 0
