"""What the paper shows for each row, and by which rule ours is said to agree with it."""

from __future__ import annotations

from typing import NamedTuple


class Paper(NamedTuple):
    """A row of the paper.

    Attributes:
        shows: its figure or table, in words.
        rule: when ours agrees.
        runs: folders below the reproduction's whose elites are shown.
        results: pages below the reproduction's, each with a picture of the same name beside it.
    """

    shows: str
    rule: str
    runs: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


_FOOLED = "the median confidence is 99.99 % or more, and every class is at 99 % or more"

PAPER: dict[int, Paper] = {
    1: Paper(
        "A grid: a column for each digit, and in each row the images of one run. All look like the noise of an untuned "
        "television, and the network takes each for its digit.",
        _FOOLED, runs=("row-1",),
    ),
    2: Paper(
        "The same grid with regular images: bars, arcs and stripes. Some have a stroke of their digit, none is one; "
        "images of one digit are alike across runs.",
        _FOOLED, runs=("row-2",),
    ),
    3: Paper(
        "A curve of the median confidence over 1,000 classes that is still low after 20,000 generations, and coloured noise "
        "for some of the few classes that evolution succeeds for.",
        "the median confidence is within 10 points of 21.59 %, by the paper's search or the default one",
        runs=("row-3", "row-3-default"),
    ),
    4: Paper(
        "Patterns with a feature of their class, such as the seams of a baseball or the keys of a remote control, and a "
        "curve of the median confidence that rises to the end; images for kinds of dogs and cats are the hardest to find.",
        "the median confidence is 78.11 % or more, by the paper's search or the default one: 10 points below the paper's, or "
        "above", runs=("row-4", "row-4-default"),
    ),
    5: Paper(
        "Images that gradient ascent finds, with and without regularisers: noise over faint shapes without, and with "
        "them shapes that are easier to recognise.",
        "every class is at 99 % or more, both ways", runs=("row-5-without", "row-5-with"),
    ),
    6: Paper(
        "Images of one network shown to another, with other initial weights or of another architecture; many fool it too, "
        "but not all.",
        "over all pairs of a run and another network, 10 % or more of the images that the first is 99 % sure of keep their "
        "class on average, but not all do",
        results=("row-6/transfer",),
    ),
    7: Paper(
        "A grid: a row for each network, the first as it was and each other trained on the images that fooled those before "
        "it too, with the images that fool it; they do so in every row.",
        "the median confidence is 99.99 % or more against every retrained network", runs=("row-7-last",),
        results=("row-7-8/rounds",),
    ),
    8: Paper(
        "The median confidence before and after one round of retraining, which makes the network much harder to fool.",
        "the median confidence against DNN2 is at most half of that against DNN1", results=("row-7-8/rounds",),
    ),
    9: Paper(
        "Images before and after repeated elements were removed by hand, with the confidence under each, which falls.",
        "at least 5 elites repeat a motif, and confidence rises with the number of copies in more than half of them; with"
        " fewer elites nothing is said",
        results=("row-9/repetition",),
    ),
    10: Paper(
        "Different images of one class from different runs, and images of related classes, such as kinds of lizards, that"
        " look alike within a run.",
        "by the measure that shows it best, related classes have images that are more alike: a rank correlation above 0 "
        "with p below 0.05",
        results=("row-10/diversity",),
    ),
    11: Paper(
        "Nothing is measured: the paper supposes that a generative model would give fooling images a low probability p(x), "
        "while a discriminative one is fooled far from its data.",
        "of the images evolved against LeNet, the generative network rejects 95 % or more of each run",
        results=("row-11/hypothesis",),
    ),
}  # fmt: skip
"""By the number of the row."""
