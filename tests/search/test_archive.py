import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatfool import Direct
from neatfool.search import Archive

SHAPE = (1, 2, 3)


def individuals(count: int, seed: int):
    return Direct().start(count, shape=SHAPE, seed=seed)


def archive_of(classes, first, scores) -> Archive:
    names = [str(index) for index in range(scores.shape[1])]
    return Archive.begin(first, scores, scores[:, classes], classes=classes, class_names=names)


def genes(population) -> np.ndarray:
    return population.arrays()["genes"]


def one_by_one(classes, first, scores, batches):
    """The paper's rule, child after child and class after class."""
    cells = {int(c): (np.float32(-1), -1, None) for c in classes}
    number = 0
    for population, batch in zip([first, *batches], [scores[0], *scores[1:]], strict=True):
        for genome, row in zip(genes(population), batch, strict=True):
            for c in cells:
                if row[c] > cells[c][0]:
                    cells[c] = (row[c], number, genome)
            number += 1
    return cells


@given(
    classes=st.sets(st.integers(0, 4), min_size=1),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    levels=st.sampled_from([2, 1000]),  # two levels: nearly all confidences are ties
)
def test_every_child_is_tried_on_every_cell(classes, sizes, seed, levels):
    chosen = np.array(sorted(classes))
    random = np.random.default_rng(seed)
    scores = [(random.integers(0, levels, (n, 5)) / levels).astype(np.float32) for n in sizes]
    populations = [individuals(n, seed + i) for i, n in enumerate(sizes)]

    archive = archive_of(chosen, populations[0], scores[0])
    made = sizes[0]
    for generation, (children, batch) in enumerate(zip(populations[1:], scores[1:], strict=True), 1):
        taken = archive.add(children, batch, batch[:, chosen], first_id=made, generation=generation)
        assert np.array_equal(archive.ids[taken >= 0], made + taken[taken >= 0])
        made += len(children)

    for cell, (confidence, number, genome) in enumerate(
        one_by_one(chosen, populations[0], scores, populations[1:]).values()
    ):
        assert archive.confidence[cell] == confidence
        assert archive.ids[cell] == number
        assert np.array_equal(genes(archive.genomes)[cell], genome)
        assert archive.generation[cell] == np.searchsorted(np.cumsum(sizes), number, side="right")


def test_statistics_by_hand():
    scores = np.diag(np.array([0.5, 0.99, 0.99995, 1.0], np.float32))
    statistics = archive_of(np.arange(4), individuals(4, 0), scores).statistics()
    assert statistics["median_confidence"] == pytest.approx((0.99 + 0.99995) / 2)
    assert statistics["mean_confidence"] == pytest.approx((0.5 + 0.99 + 0.99995 + 1) / 4)
    assert statistics["min_confidence"] == 0.5
    assert statistics["classes_over_99"] == 3
    assert statistics["classes_over_9999"] == 2


def test_images_are_what_the_genes_say():
    archive = archive_of(np.arange(3), individuals(3, 1), np.eye(3, dtype=np.float32))
    assert archive.images().shape == (3, 2, 3)
    assert np.array_equal(archive.images().reshape(3, -1), genes(archive.genomes).astype(np.int64) * 255 // 65535)
