"""Evolving images that a classifier is sure about: begin, go on, stop, and pick up again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from neatfool.classifiers import Classifier, find_classes
from neatfool.encodings import Encoding
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.figures.course import draw_run
from neatfool.models import ModelConfig, as_classifier
from neatfool.runs import (
    RunFolder,
    begin_folder,
    check_command,
    check_same,
    continue_folder,
    describe,
    read_count,
    read_rows,
    read_seconds,
    read_settings,
    run_job,
)
from neatfool.search.archive import Archive
from neatfool.search.config import EvolveConfig, build_config
from neatfool.search.evaluate import Evaluator, Profile
from neatfool.search.judge import Judge
from neatfool.search.lineage import Lineage
from neatfool.search.objective import Objective
from neatfool.search.search import Search
from neatfool.search.strategy import StrategySettings
from neatfool.shared.progress import OnProgress, Progress, Stop
from neatfool.shared.text import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COMMAND = "evolve"

Metrics = dict[str, Any]


class Run:
    """A search with its judge and, maybe, its folder: in progress, or done.

    Attributes:
        config: its settings.
        judge: what is being fooled.
        search: the search itself.
        metrics: one dictionary a generation, as in `metrics.jsonl`.
        folder: where it is written, or None.
        profile: where the time went.
        seconds: wall time spent on it.
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
    ) -> None:
        self.config = config
        self.judge = judge
        self.search = search
        self.metrics = metrics or []
        self.folder = folder
        self.profile = Profile()
        self.seconds = seconds
        self._target = config.generations
        self._evaluator: Evaluator | None = None

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
            "classes": len(self.archive),
            **self.archive.statistics(),
            "seconds": round(self.seconds, 3),
            "evaluations_per_second": round(self.evaluations / self.seconds, 1) if self.seconds else None,
            "profile": {name: round(value, 4) for name, value in self.profile.seconds.items()},
            "classify_share": round(self.profile.seconds["classify"] / spent, 4) if spent else None,
        }

    def advance(self, generations: int, *, progress: OnProgress | None = None, stop: Stop | None = None) -> None:
        """Evolves on, up to generation `generations`. A run folder is locked meanwhile, and remembers the new target.

        Raises:
            ModelError: the judge returned no finite numbers.
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
        self._evaluator = Evaluator(self.judge, self.profile)
        try:
            run_job(self, progress=progress, stop=asked)
        finally:
            self._evaluator.close()

    def step(self, progress: OnProgress, stop: Stop) -> Metrics:
        """Makes the next generation; see `Job.step`."""
        assert self._evaluator is not None  # noqa: S101  # `_run` made it
        with self.profile.stage("vary"):
            genomes = self.search.ask_genomes()
        scores = self._evaluator(genomes)
        with self.profile.stage("select"):
            improved = self.search.tell(scores)
        row: Metrics = {
            "generation": self.generation,
            "evaluations": self.evaluations,
            **self.archive.statistics(),
            "improved": improved,
        }
        self.metrics.append(row)
        return row

    def progress(self) -> Progress:
        """See `Job.progress`."""
        self.metrics[-1]["seconds"] = round(self.seconds, 3)
        return Progress(
            task="evolving", unit="generations", done=self.generation, total=self._target, metrics=self.metrics[-1]
        )

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]] | None:
        """See `Job.checkpoint`."""
        if self.generation < 0:
            return None
        with self.profile.stage("write"):
            return self.search.arrays(), {"generation": str(self.generation), "evaluations": str(self.evaluations)}

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


def evolve(
    source: Classifier | Judge | str | None = None,
    *,
    encoding: Encoding | str | None = None,
    strategy: StrategySettings | str | None = None,
    objective: Objective | str | None = None,
    generations: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    classes: str | int | Sequence[str | int] | None = None,
    out: Path | str | None = None,
    config: EvolveConfig | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Run:
    """Evolves one image for each class that a classifier is as sure as possible about (paper section 2.2).

    Args:
        source: what to fool: a classifier, its name, or another judge; None is what `config` names (by default the built-in
            MNIST network).
        encoding: what genomes are, settings or a name; CPPNs by default.
        strategy: how they are found, settings or a name; MAP-Elites by default.
        objective: what elites are chosen by, settings or a name; their confidence by default.
        generations: generations after the random start; 200 by default.
        batch: children of each; 200 by default for up to 100 classes, else 400.
        seed: the same seed gives the same run.
        classes: classes to evolve for, by index or name: one, several, or text as in "0-4,9,goldfish"; all by default.
        out: run folder to write; None keeps everything in memory.
        config: settings to start from; the arguments above override it.
        progress: told of each generation.
        stop: asked before each generation after the random start; True ends the run there.

    Returns:
        The finished run.

    Raises:
        ConfigError: a setting is unknown or out of range.
        ModelError: the classifier cannot be loaded, or a class does not exist.
        RunError: the run folder cannot be written.
    """
    named = {"encoding": encoding, "strategy": strategy, "objective": objective}
    plain = {"generations": generations, "batch": batch, "seed": seed}
    given = {key: value for key, value in (named | plain).items() if value is not None}
    base = config or EvolveConfig()
    settings = build_config({name: getattr(base, name) for name in EvolveConfig.model_fields}, given)
    judge = as_judge(source, settings.model)
    if source is not None:
        settings = settings.model_copy(update={"model": _model_of(source, judge, settings.model)})
    cells = chosen_classes(settings.classes if classes is None else classes, judge.class_names, model=judge.name)
    search = make_search(settings, judge.class_names, judge.image_shape, cells)
    settings = settings.model_copy(
        update={
            "start": search.start,
            "batch": search.batch,
            "classes": None if len(cells) == len(judge.class_names) and cells == sorted(cells) else ranges(cells),
        }
    )
    with begin_folder(out, config=settings.model_dump(), manifest=describe(judge, command=COMMAND)) as folder:
        run = Run(settings, judge, search, folder=folder)
        run._run(settings.generations, progress, stop)
    return run


def resume(
    source: Path | str | RunFolder,
    *,
    generations: int | None = None,
    judge: Judge | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Run:
    """Continues a run exactly as if it had never stopped.

    Args:
        source: the run folder.
        generations: generations to reach in all, and to remember; by default what the run was last given.
        judge: what the run was begun with, where `load_classifier` cannot find it by name.
        progress: told of each generation.
        stop: asked before each generation; True ends the run there.

    Raises:
        ConfigError: fewer generations are asked for than are done.
        ModelError: the classifier cannot be loaded.
        RunError: the folder is not a run, is damaged, or belongs to another classifier.
    """
    folder = RunFolder.of(source)
    with continue_folder(folder, COMMAND):
        run = load_run(folder, judge=judge, begun=False)
        target = run.config.generations if generations is None else generations
        if target < run.generation:
            raise ConfigError(
                f"The run {folder.path} has {run.generation} generations already; ask for --generations {run.generation} or "
                "more."
            )
        folder.truncate_metrics(run.generation)
        run._run(target, progress, stop)
    return run


def load_run(folder: RunFolder, *, judge: Judge | None = None, begun: bool = True) -> Run:
    """The run in a folder as its checkpoint left it.

    Args:
        folder: the run folder.
        judge: what the run was begun with, where `load_classifier` cannot find it by name.
        begun: refuse a run that was killed before its first checkpoint.

    Raises:
        ModelError: the classifier cannot be loaded.
        RunError: the folder is damaged, was not made by `evolve`, or belongs to another classifier.
    """
    config, search, seconds = load_search(folder, begun=begun)
    if judge is None:
        judge = load_judge(folder, config.model)
    check_same(folder, judge)
    rows = read_rows(folder, search.generation)
    return Run(config, judge, search, folder=folder, metrics=rows, seconds=seconds)


def as_run(source: Run | RunFolder | Path | str, *, judge: Judge | None = None) -> Run:
    """A run as it is, or the one in a folder.

    Args:
        source: the run or its folder.
        judge: what it was begun with, where `load_classifier` cannot find it by name.

    Raises:
        ModelError: the classifier cannot be loaded.
        RunError: the folder is damaged, was not made by `evolve`, or belongs to another classifier.
    """
    if isinstance(source, Run):
        return source
    return load_run(RunFolder.of(source), judge=judge)


def folder_of(source: Run | RunFolder | Path | str) -> RunFolder:
    """The folder of a run.

    Raises:
        RunError: the run is kept in memory alone, or there is no run folder.
    """
    if not isinstance(source, Run):
        return RunFolder.of(source)
    if source.folder is None:
        raise RunError("The run is kept in memory alone; begin it with out=... to have a folder.")
    return source.folder


def load_search(folder: RunFolder, *, begun: bool = True) -> tuple[EvolveConfig, Search, float]:
    """Settings, search and seconds of a run folder, without its judge.

    Raises:
        RunError: the folder is damaged or was not made by `evolve`.
    """
    check_command(folder, COMMAND)
    config, manifest = read_settings(folder, EvolveConfig), folder.manifest
    try:
        cells = chosen_classes(config.classes, manifest.class_names, model=manifest.model)
        search = make_search(config, manifest.class_names, manifest.image_shape, cells)
    except (ConfigError, ModelError) as error:
        raise RunError(f"{folder.path / 'config.toml'} does not describe a run: {error}") from error
    if not folder.has_checkpoint and not begun:
        return config, search, 0.0
    arrays, metadata = folder.load_checkpoint()
    generation = read_count(folder, metadata, "generation")
    # Runs of schema 1 have batches of one size and do not count.
    counted = "evaluations" in metadata
    evaluations = read_count(folder, metadata, "evaluations") if counted else search.start + generation * search.batch
    search.restore(arrays, generation=generation, evaluations=evaluations)
    return config, search, read_seconds(folder, metadata, read_rows(folder, generation))


def make_search(
    config: EvolveConfig, class_names: Sequence[str], image_shape: tuple[int, int, int], cells: Sequence[int]
) -> Search:
    """The search that settings describe, not begun."""
    return Search(
        image_shape,
        class_names,
        cells=cells,
        encoding=config.encoding,
        strategy=config.strategy,
        objective=config.objective,
        start=config.start,
        batch=config.batch,
        seed=config.seed,
    )


def as_judge(source: Any, model: ModelConfig) -> Judge:
    """What `evolve` takes as what to fool, or what a configuration names.

    Raises:
        ModelError: it is none, or cannot be loaded.
    """
    if source is None:
        return model.load()
    if isinstance(source, str):
        return model.model_copy(update={"name": source}).load()
    is_judge = all(hasattr(source, part) for part in ("name", "image_shape", "class_names", "confidences"))
    judge: Judge = source if is_judge else as_classifier(source)
    return judge


def _model_of(source: Classifier | Judge | str, judge: Judge, configured: ModelConfig) -> ModelConfig:
    if isinstance(source, str):
        return configured.model_copy(update={"name": source})
    return ModelConfig.of(judge) if isinstance(judge, Classifier) else ModelConfig(name=judge.name)


def load_judge(folder: RunFolder, model: ModelConfig) -> Classifier:
    """The classifier that a run was begun with, by its name.

    Raises:
        ModelError: it cannot be loaded.
        RunError: the run was begun with another kind of judge.
    """
    if folder.manifest.weights_hash is None:
        raise RunError(
            f"The run {folder.path} was judged by {folder.manifest.model}, which is no classifier that can be loaded; "
            "pass it as judge=... from Python."
        )
    return model.load()


def chosen_classes(
    classes: str | int | Sequence[str | int] | None, class_names: Sequence[str], *, model: str
) -> list[int]:
    """Indices of the classes that `classes` names, each once, in the order named; all if None.

    Raises:
        ModelError: one does not exist, several are meant, or none is named.
    """
    return list(range(len(class_names))) if classes is None else find_classes(class_names, classes, model=model)


def ranges(indices: Sequence[int]) -> str:
    """Class indices as text, runs of them as ranges: "0-4,9"."""
    groups: list[list[int]] = []
    for index in indices:
        if groups and index == groups[-1][-1] + 1:
            groups[-1].append(index)
        else:
            groups.append([index])
    return ",".join(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups)
