"""How long the rows take, one compared with the other, in images that pass through the network."""

from __future__ import annotations

from itertools import accumulate

from neatfool.experiments.reproduction.settings import ReproductionConfig
from neatfool.search import PRESETS

_STEPS = 120
"""Of gradient ascent, for each image: most are sure enough before the last."""
_BACK = 3
"""Passes that one there and back comes to."""
_MNIST_TRAINING = 60_000
_VIEW = 3_000
"""Passes that training on another view of some hundred photographs comes to."""
_PAIRS = 25
"""Of classes, that are compared for diversity in the time of a pass."""
_COPIES = 270
"""Images of an elite without some of its copies."""
_ATTACKS = 6
"""Of the generative model."""
MNIST_NETWORKS = (("lenet-mnist", 101), ("lenet-mnist", 102), ("mlp-mnist", 103))
"""Two of other initialisations and one without convolutions, with the seeds they are trained by."""
LAST_ATTACK = 25
"""Times the usual generations, against the network of the last round of retraining."""

Spans = dict[str, tuple[float, float]]


def plan_rows(config: ReproductionConfig) -> dict[int, dict[str, float]]:
    """The parts of every row that is wanted, by what they call themselves, with the passes of each.

    A run that several rows need counts in the first of them.
    """
    amount, mnist = config.amount, config.what == "mnist"
    batch = amount.batch or (200 if mnist else 400)
    search = {"row-1": "paper-mnist-direct", "row-2": "paper-mnist"} if mnist else {"row-4": "paper-imagenet"}
    generations = amount.generations + 1  # the start is one, too
    runs = {name: float(generations * (amount.batch or PRESETS[preset]["batch"])) for name, preset in search.items()}
    default = float((amount.default_generations + 1) * batch)
    first, usual = ("row-2", runs["row-2"]) if mnist else ("row-4-default", default)
    classes = 10 if mnist or amount.classes else 1000
    hardened = (amount.retrain_generations + 1) * batch
    seeds = {f"row-10-seed-{config.seed + number}": usual for number in range(1, amount.seeds)}
    climbing = float((amount.sample or classes) * _STEPS * _BACK)
    rows: dict[int, dict[str, float]] = {
        1: {"row-1": runs.get("row-1", 0.0)},
        2: {"row-2": runs.get("row-2", 0.0)},
        3: {"row-3": float(generations * (amount.batch or 200)), "row-3-default": default},
        4: {**runs, "row-4-default": default},
        5: {f"{way} regularisers": climbing for way in ("without", "with")},
        6: {**(runs if mnist else {first: usual}), **_others(config, usual), "showing the images": 2.0 * classes},
        7: {
            "retraining": amount.rounds * (11.0 * hardened + _BACK * _MNIST_TRAINING),
            "row-7-last": LAST_ATTACK * hardened,
        },
        8: {"retraining": 3.0 * hardened + _VIEW * (amount.views - 1)},
        9: {first: usual, "removing copies": float(_COPIES * (amount.sample or classes))},
        10: {first: usual, **seeds, "comparing": classes**2 / _PAIRS},
        11: {**runs, "a generative model": float(_ATTACKS * hardened)},
    }
    wanted: dict[int, dict[str, float]] = {}
    seen: set[str] = set()
    for number in config.rows:
        wanted[number] = {name: 0.0 if name in seen else passes for name, passes in rows[number].items()}
        seen.update(rows[number])
    return wanted


def spans_of(parts: dict[str, float], begin: float, end: float) -> Spans:
    """Where each part of a row begins and ends, as shares of the whole, of which the row is from `begin` to `end`."""
    total = sum(parts.values()) or 1.0
    ends = [begin + (end - begin) * one / total for one in accumulate(parts.values())]
    return dict(zip(parts, zip([begin, *ends], ends, strict=False), strict=True))


def _others(config: ReproductionConfig, run: float) -> dict[str, float]:
    """What row 6 needs beside the runs of other rows."""
    if config.what == "imagenet":
        return {"row-6-other": run}
    passes = float(config.amount.epochs * _BACK * _MNIST_TRAINING)
    return {f"training {model}, seed {seed}": passes for model, seed in MNIST_NETWORKS}
