"""A search with its judge and its folder."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neatfool.classifiers import Classifier
from neatfool.encodings import Population
from neatfool.errors import ConfigError, JudgeError, RunError
from neatfool.figures.course import draw_run
from neatfool.runs import (
    Judgement,
    RunFolder,
    Tally,
    continue_folder,
    read_count,
    run_job,
    verdicts,
)
from neatfool.search.archive import Archive
from neatfool.search.config import EvolveConfig
from neatfool.search.evaluate import Evaluator, Profile
from neatfool.search.judge import Confidences, Judge, stands_for
from neatfool.search.lineage import Lineage
from neatfool.search.noise import TOLERANCE
from neatfool.search.screening import MARGINS, Rough, Screen
from neatfool.search.search import Search
from neatfool.shared.progress import OnProgress, Progress, Stop
from neatfool.shared.text import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COMMAND = "evolve"

log = logging.getLogger(__name__)

Metrics = dict[str, Any]

MOST_ROWS = 10_000
"""Rows of metrics a run keeps in memory; even."""


class Run:
    """A search with its judge and, maybe, its folder: in progress, or done.

    Attributes:
        config: its settings.
        judge: what is being fooled; where copies of a classifier are asked elsewhere, the classifier.
        search: the search itself.
        metrics: one dictionary a generation, as in `metrics.jsonl`. Of more than 10,000 generations there are every second,
            fourth and so on, and the last; the file has them all.
        folder: where it is written, or None.
        profile: where the time went.
        seconds: wall time spent on it.
        noise: how far apart the confidences of an elite and of the same image judged again at the end are at most, in [0, 1];
            None before the end. It is 0, or a rounding error, for a judge that is a function of the image.
        judgement: what the elites were judged to be then; None before the end.
        judged_twice: individuals that were judged again in float32; None unless the run screens.
    """

    def __init__(
        self,
        config: EvolveConfig,
        judge: Judge,
        search: Search,
        *,
        folder: RunFolder | None,
        metrics: list[Metrics] | None = None,
        seconds: float = 0.0,
        rough: Rough | None = None,
        judged_twice: int = 0,
    ) -> None:
        self.config = config
        self.judge = stands_for(judge)
        self._asked = judge
        self.search = search
        self.metrics: list[Metrics] = []
        self._recorded, self._every = 0, 1
        self.folder = folder
        self.profile = Profile()
        self.seconds = seconds
        self.noise: float | None = None
        self.judgement: Judgement | None = None
        for row in metrics or ():
            self._record(row)
        self._target = config.generations
        self._rough = rough
        self.judged_twice = judged_twice if config.screen else None
        self._evaluator: Evaluator | None = None
        self._screen: Screen | None = None

    @property
    def classifier(self) -> Any:
        """The judge, which is a `Classifier` unless the run was begun with another kind."""
        return self.judge

    @property
    def archive(self) -> Archive:
        """The elites: `run.archive.confidence` is float32 of shape (classes,)."""
        return self.search.archive

    @property
    def lineage(self) -> Lineage:
        """Who descends from whom."""
        return self.search.lineage

    @property
    def generation(self) -> int:
        """The last complete generation; 0 is the random start."""
        return self.search.generation

    @property
    def evaluations(self) -> int:
        """Images judged so far."""
        return self.search.evaluations

    @property
    def done(self) -> bool:
        """Whether it has reached its number of generations."""
        return self.generation >= self._target

    def summary(self) -> dict[str, Any]:
        """The result in one JSON-ready dictionary, as `neatfool evolve --json` prints it."""
        spent = sum(self.profile.seconds.values())
        return {
            "run": str(self.folder.path) if self.folder else None,
            "model": self.judge.name,
            "encoding": self.config.encoding.name,
            "strategy": self.config.strategy.name,
            "seed": self.config.seed,
            "generations": self.generation,
            "evaluations": self.evaluations,
            "judged_twice": self.judged_twice,
            "classes": len(self.archive),
            **self.archive.statistics(),
            **self.tally().summary(),
            "noise": self.noise,
            "seconds": round(self.seconds, 3),
            "evaluations_per_second": round(self.evaluations / self.seconds, 1) if self.seconds else None,
            "profile": {name: round(value, 4) for name, value in self.profile.seconds.items()},
            "classify_share": round(self.profile.seconds["classify"] / spent, 4) if spent else None,
        }

    def tally(self) -> Tally:
        """How many classes are fooled, how many on top, how many not reached."""
        exclusive = isinstance(self.judge, Classifier)
        found = verdicts(self.archive.classes, self.archive.confidence, self.judgement, exclusive=exclusive)
        return Tally.of(found, exclusive=exclusive)

    def advance(self, generations: int, *, progress: OnProgress | None = None, stop: Stop | None = None) -> None:
        """Evolves on, up to generation `generations`. A run folder is locked meanwhile, and remembers the new target.

        Raises:
            JudgeError: the judge failed, or returned something else than confidences.
            RunError: another process holds the folder, it cannot be written, or another process took it further.
        """
        if self.folder is None:
            self._run(generations, progress, stop)
            return
        with continue_folder(self.folder, COMMAND):
            _, metadata = self.folder.load_checkpoint(())
            if read_count(self.folder, metadata, "generation") != self.generation:
                raise RunError(f"{self.folder.path} was continued by another process; open it again with resume.")
            self._run(generations, progress, stop)

    def _run(self, generations: int, progress: OnProgress | None, stop: Stop | None) -> None:
        self._target = generations
        self.config = self.config.model_copy(update={"generations": max(generations, self.config.generations)})
        if self.folder and self.folder.config.get("generations") != self.config.generations:
            self.folder.update_config(generations=self.config.generations)
        # Generation 0 is always made, so that there is a result.
        asked = None if stop is None else lambda: self.generation >= 0 and stop()
        self.noise = self.judgement = None
        if self.folder:
            self.folder.save_judgement(None)
        with ExitStack() as stack:
            self._evaluator = stack.enter_context(closing(Evaluator(self._asked, self.profile)))
            if self.config.screen:
                self._rough = self._rough or Rough.of(self._asked, self.config.screen, self.search, folder=self.folder)
                if self.folder:
                    self._rough.keep(self.folder)
                rough = stack.enter_context(closing(Evaluator(self._rough.classifier, self.profile)))
                self._screen = Screen(rough, self._evaluator, margin=MARGINS[self.config.screen])
            run_job(self, progress=progress, stop=asked)
            if self.done:
                self._judge_elites()

    def _judge_elites(self) -> None:
        """Judges the elites again, and says so if they get other confidences: the judge may have changed on the way."""
        assert self._evaluator is not None  # noqa: S101  # `_run` made it
        archive = self.archive
        # In the reverse order: other than before, if the judge is no function of the image.
        scores = self._evaluator(archive.genomes.take(np.arange(len(archive))[::-1]))[::-1]
        self.noise = float(np.abs(scores[np.arange(len(archive)), archive.classes] - archive.confidence).max())
        self.judgement = Judgement.of(archive.classes, scores)
        if self.folder:
            self.folder.save_judgement(self.judgement)
        if self.noise > TOLERANCE and not self.config.allow_noise:
            log.warning(
                "%s changed on the way: the same image gets a confidence up to %s off when it is judged again, so these are "
                "partly luck; mend the model, or pass --allow-noise.",
                self.judge.name,
                percent(self.noise),
            )

    def step(self, progress: OnProgress, stop: Stop) -> Metrics:
        """Makes the next generation; see `Job.step`."""
        assert self._evaluator is not None  # noqa: S101  # `_run` made it
        with self.profile.stage("vary"):
            genomes, *later = self.search.ask_generations()[: self._target - self.generation]
        contenders = None
        try:
            if self._screen and self.generation >= 0:
                scores, contenders = self._screen(genomes, self.archive)
            else:
                scores = self._evaluator(genomes, later=later)
            if self.config.allow_noise:
                scores = self._judged_again(genomes, scores, self._evaluator)
        except JudgeError as error:
            raise JudgeError(f"In generation {self.generation + 1}, {error}", images=error.images) from error
        with self.profile.stage("select"):
            improved = self.search.tell(scores, contenders=contenders)
        row: Metrics = {
            "generation": self.generation,
            "evaluations": self.evaluations,
            **self.archive.statistics(),
            "improved": improved,
        }
        if self.judged_twice is not None:
            self.judged_twice += 0 if contenders is None else len(contenders)
            row["judged_twice"] = self.judged_twice
        self._record(row)
        return row

    def _judged_again(self, genomes: Population, scores: Confidences, evaluator: Evaluator) -> Confidences:
        """Confidences in which everybody who becomes an elite was judged twice, and has the mean."""
        judged: set[int] = set()
        while winners := sorted(set(self.search.winners(scores).tolist()) - judged):
            scores[winners] = (scores[winners] + evaluator(genomes.take(np.array(winners)))) / 2
            judged.update(winners)
        return scores

    def _record(self, row: Metrics) -> None:
        """Keeps a generation's metrics: evenly spaced ones and the last, so that they fill no memory."""
        if self._recorded and (self._recorded - 1) % self._every:
            self.metrics.pop()
        self.metrics.append(row)
        self._recorded += 1
        if len(self.metrics) > MOST_ROWS:
            self._every *= 2
            self.metrics = self.metrics[::2]

    def progress(self) -> Progress:
        """See `Job.progress`."""
        self.metrics[-1]["seconds"] = round(self.seconds, 3)
        return Progress(
            task="evolving",
            unit="generations",
            done=self.generation,
            total=self._target,
            metrics=self.metrics[-1],
            snapshot=self.archive.snapshot,
        )

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]] | None:
        """See `Job.checkpoint`."""
        if self.generation < 0:
            return None
        with self.profile.stage("write"):
            counts = {"generation": self.generation, "evaluations": self.evaluations, "judged_twice": self.judged_twice}
            return self.search.arrays(), {name: str(count) for name, count in counts.items() if count is not None}

    def write(self) -> None:
        """Writes the elites' pictures into the run folder."""
        if self.folder is not None and self.generation >= 0:
            with self.profile.stage("write"):
                self.folder.write_images(dict(zip(self.archive.classes.tolist(), self.archive.pixels(), strict=True)))

    def save(self) -> None:
        """Writes checkpoint and pictures into the run folder, if there is one.

        Raises:
            RunError: another process holds the folder, or it cannot be written.
        """
        state = self.checkpoint()
        if self.folder is not None and state is not None:
            with self.folder.lock():
                self.folder.save_checkpoint(*state)
                self.write()

    def plot(self) -> Figure:
        """Confidence over evaluations, as a matplotlib figure.

        Raises:
            ConfigError: there are fewer than two generations to draw.
        """
        figure = draw_run(self.metrics, len(self.archive))
        if figure is None:
            raise ConfigError("There is nothing to draw yet; let the run make a generation.")
        return figure

    def to_pandas(self) -> pd.DataFrame:
        """The elites as a table: class, class_name, confidence, id, generation. Needs pandas.

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ConfigError(
                "Tables need pandas, which is not installed; run pip install 'neatfool[pandas]'."
            ) from error
        archive = self.archive
        return pd.DataFrame(
            {
                "class": archive.classes,
                "class_name": [archive.class_names[index] for index in archive.classes],
                "confidence": archive.confidence,
                "id": archive.ids,
                "generation": archive.generation,
            }
        )

    def __repr__(self) -> str:
        where = f" in {self.folder.path}" if self.folder else ""
        median = percent(self.archive.statistics()["median_confidence"]) if self.generation >= 0 else "none yet"
        return (
            f"<Run against {self.judge.name}{where}: generation {self.generation} of {self._target}, "
            f"median confidence {median}>"
        )

    def _repr_html_(self) -> str:
        return self.search._repr_html_()
