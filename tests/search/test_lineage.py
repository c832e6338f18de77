import numpy as np

from neatfool.search import Birth, Lineage


def family() -> Lineage:
    lineage = Lineage()
    lineage.add([0, 1, 2], [(-1, -1)] * 3, [-1] * 3, generation=0)
    lineage.add([3, 4], [(0, -1), (1, 2)], [7, 8], generation=1)
    lineage.add([5], [(4, 3)], [9], generation=2)
    return lineage


def test_births_and_ancestry():
    assert family().ancestry(5) == [
        Birth(5, (4, 3), 2, 9),
        Birth(4, (1, 2), 1, 8),
        Birth(1, (), 0, None),
    ]


def test_prune_keeps_the_living_and_all_their_ancestors():
    lineage = family()
    lineage.prune([3])
    assert lineage.array()[:, 0].tolist() == [0, 3]
    lineage = family()
    lineage.prune([5])
    assert lineage.array()[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_round_trip():
    rows = family().array()
    assert rows.dtype == np.int64
    assert np.array_equal(Lineage.restored(rows, generation=2, classes=10).array(), rows)
    lineage = Lineage()
    lineage.add([0], [(-1, -1)], [-1], generation=0)
    lineage.add([1, 2, 3], [(0, -1)] * 3, [7, 8, 9], generation=1, parent_confidence=[0.25, -1, 1.00001])
    again = Lineage.restored(lineage.array(), generation=1, classes=10, parent_confidence=lineage.parent_confidence())
    for one in (lineage, again):
        assert [one.birth(number).parent_confidence for number in range(4)] == [None, 0.25, None, 1]
    assert Lineage.restored(Lineage().array(), generation=0, classes=1).array().shape == (0, 5)
