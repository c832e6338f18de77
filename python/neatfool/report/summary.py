"""A run in numbers, read from its folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neatfool.runs import Elite, Judgement, RunFolder, Tally, Verdict, setting_name, verdicts


@dataclass(frozen=True)
class Summary:
    """A run in numbers; a setting or number the run does not state is None.

    Attributes:
        name: name of the run folder.
        setup: encoding, strategy, objective, optimiser and seed, those that the settings state.
        generations: generations done after the random start.
        evaluations: images judged.
        elites: the best image of every class that has one, in class order.
        median, mean, minimum: of the elites' confidence, in [0, 1].
        over_99, over_9999: number of elites with a confidence of at least 0.99 and 0.9999.
        judgement: what the elites are judged to be; None where a run has none.
        verdicts: what became of the class of each elite, in the order of `elites`.
        tally: how many classes are fooled, how many on top, how many not reached.
        metrics: the rows of ``metrics.jsonl``.
    """

    name: str
    command: str
    model: str
    setup: dict[str, str]
    generations: int | None
    evaluations: int | None
    elites: Sequence[Elite]
    median: float | None
    mean: float | None
    minimum: float | None
    over_99: int
    over_9999: int
    judgement: Judgement | None
    verdicts: Sequence[Verdict | None]
    tally: Tally
    metrics: Sequence[dict[str, Any]]


def summarise(run: RunFolder) -> Summary:
    """The numbers of a run.

    Raises:
        RunError: a file of the run is damaged.
    """
    elites = run.elites()
    metrics = run.metrics()
    confidence = np.array([elite.confidence for elite in elites])
    filled = len(elites) > 0
    judgement = run.judgement()
    found = verdicts([elite.class_index for elite in elites], confidence, judgement, exclusive=run.manifest.exclusive)
    return Summary(
        name=run.path.resolve().name,
        command=run.manifest.command,
        model=run.manifest.model,
        setup={
            key: text
            for key in ("encoding", "strategy", "objective", "optimiser", "seed")
            # Whoever is evolved for confidence, as nearly all are, need not say so.
            if (text := setting_name(run.config, key)) and text != "confidence"
        },
        generations=_last_count(metrics, "generation"),
        evaluations=_last_count(metrics, "evaluations"),
        elites=elites,
        median=float(np.median(confidence)) if filled else None,
        mean=float(confidence.mean()) if filled else None,
        minimum=float(confidence.min()) if filled else None,
        over_99=int((confidence >= 0.99).sum()),
        over_9999=int((confidence >= 0.9999).sum()),
        judgement=judgement,
        verdicts=found,
        tally=Tally.of(found, exclusive=run.manifest.exclusive),
        metrics=metrics,
    )


def _last_count(metrics: Sequence[dict[str, Any]], key: str) -> int | None:
    return next((row[key] for row in reversed(metrics) if isinstance(row.get(key), int)), None)
