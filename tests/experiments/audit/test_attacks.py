import numpy as np
import pytest
import torch
from torch import Tensor, nn

import neatfool as nf
from neatfool.classifiers import FOOLING_CLASS
from neatfool.experiments.audit.attacks import attack, attacks_on, drawn_classes
from neatfool.runs import StopRequestedError
from neatfool.shared.progress import Progress, never, silent

BUDGET = 40


class Bright(nn.Module):
    """Sure of class 0 above, of class 1 below a mean brightness; never of class 2. Remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().clone())
        z = 40 * (x.mean((1, 2, 3)) - 0.5)
        return torch.stack([z, -z, torch.full_like(z, -50)], 1)


def bright(*, chunk: int = 3) -> nf.Classifier:
    network = nf.Classifier(
        Bright(), input_size=6, channels=1, class_names=["light", "dark", "none"], device="cpu", chunk=chunk
    )
    network.module.seen.clear()
    return network


@pytest.mark.parametrize("name", ["cppn", "direct"])
def test_evolution_counts_passes_until_the_first_image_that_fools(name):
    classifier, classes = bright(), np.array([0, 1, 2])
    found = attack(name, classifier, classes, budget=BUDGET, seed=0, progress=silent, stop=never)
    shown = torch.cat(classifier.module.seen)[: BUDGET * 3]  # as all batches are of whole chunks
    confidence = classifier.module(shown).softmax(1).numpy()
    for place in range(3):
        fooled = np.flatnonzero(confidence[:, place] >= 0.99)
        expected = fooled[0] // 3 + 1 if len(fooled) else 0
        assert found.passes[place] == expected
    assert found.passes[2] == 0
    assert found.spent == BUDGET * 3
    np.testing.assert_array_equal(found.confidence, classifier.confidences(found.images)[[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(found.top_classes[:2, 0], [0, 1])
    assert (np.diff(found.top_confidence, axis=1) <= 0).all()


@pytest.mark.parametrize("name", ["cppn", "direct"])
def test_evolution_takes_the_classes_that_fall_first_whichever_were_drawn(name):
    classifier = bright(chunk=1)
    found = attack(name, classifier, np.array([2]), budget=3 * BUDGET, seed=0, progress=silent, stop=never)
    confidence = classifier.module(torch.cat(classifier.module.seen)[: 3 * BUDGET]).softmax(1).numpy()
    fooled = np.argwhere(confidence >= 0.99)
    assert found.classes.tolist() == [fooled[0, 1]]
    assert found.passes.tolist() == [fooled[0, 0] + 1]


def test_a_budget_that_no_whole_generation_fits_counts_what_lies_within_it():
    found = attack("cppn", bright(), np.array([0, 1, 2]), budget=10, seed=1, progress=silent, stop=never)
    assert found.spent == 36
    assert found.passes.max() <= 10


def test_ascent_counts_both_ways_of_every_step():
    classifier = bright()
    found = attack("gradient", classifier, np.array([0, 1]), budget=BUDGET, seed=0, progress=silent, stop=never)
    steps = nf.ascend(bright(), classes=[0, 1]).threshold_steps[:, 1]
    assert (steps >= 0).all()
    assert steps.any()
    np.testing.assert_array_equal(found.passes, 2 * (steps + 1))
    assert found.confidence.min() >= 0.99


def test_ascent_that_never_fools_spends_its_budget_and_no_more():
    found = attack("gradient", bright(), np.array([2]), budget=BUDGET, seed=0, progress=silent, stop=never)
    assert found.passes.tolist() == [0]
    assert found.spent == BUDGET


@pytest.mark.parametrize("name", ["cppn", "direct", "gradient"])
def test_the_same_seed_gives_the_same_and_another_seed_other_images(name):
    one, same, other = (
        attack(name, bright(), np.array([0, 2]), budget=20, seed=seed, progress=silent, stop=never)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.images, same.images)
    np.testing.assert_array_equal(one.passes, same.passes)
    assert not np.array_equal(one.images, other.images)


@pytest.mark.parametrize("name", ["cppn", "gradient"])
def test_told_to_stop_an_attack_ends_and_keeps_nothing(name):
    told: list[Progress] = []
    with pytest.raises(StopRequestedError):
        attack(name, bright(), np.array([2]), budget=BUDGET, seed=0, progress=told.append, stop=lambda: len(told) > 1)
    assert len(told) == 2
    assert told[-1].total == BUDGET


def test_without_a_gradient_there_is_no_ascent():
    class Counts(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([(x > 0.5).sum((1, 2, 3)).float(), (x < 0.5).sum((1, 2, 3)).float()], 1)

    assert attacks_on(bright()) == ("cppn", "direct", "gradient")
    assert attacks_on(nf.Classifier(Counts(), input_size=4, channels=1, device="cpu")) == ("cppn", "direct")


def test_seeds_climb_for_ten_classes_each_and_other_ones_while_there_are_enough():
    drawn = drawn_classes([str(index) for index in range(1000)], 3)
    assert drawn.shape == (3, 10)
    assert len(np.unique(drawn)) == 30
    np.testing.assert_array_equal(drawn, drawn_classes([f"class {index}" for index in range(1000)], 3))
    few = drawn_classes([str(index) for index in range(12)], 2)
    assert all(len(np.unique(row)) == 10 for row in few)
    np.testing.assert_array_equal(drawn_classes(["a", "b"], 2), [[0, 1], [0, 1]])


def test_what_stands_for_a_fooling_image_is_not_attacked():
    assert drawn_classes(["a", FOOLING_CLASS, "b", "rejected"], 1).tolist() == [[0, 2]]
    with pytest.raises(nf.ConfigError, match="no class"):
        drawn_classes([FOOLING_CLASS], 1)
