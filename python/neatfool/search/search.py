"""The search itself: it is asked for images and told how sure a judge is of them. It knows no files and no networks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import ENCODINGS, Arrays, Cppn, Encoding, Shape
from neatfool.errors import ConfigError, RunError
from neatfool.runs import expect, under
from neatfool.search.ahead import MOST_AHEAD, Bred
from neatfool.search.archive import Archive
from neatfool.search.lineage import Lineage
from neatfool.search.objective import OBJECTIVES, Confidence, Objective
from neatfool.search.strategies import PatternElites
from neatfool.search.strategy import STRATEGIES, Setting, Strategy, StrategySettings
from neatfool.shared.text import percent

_PRUNE_EVERY = 100
_MOST = 1_000_000
_MOST_GENERATIONS = 2**31


class Search:
    """A search between two generations: ask for images, judge them in your own way, tell the confidences, and so on.

    ```python
    search = nf.Search((1, 28, 28), classes=10, seed=0)
    for _ in range(201):
        images = search.ask()  # uint8 (N, 1, 28, 28)
        search.tell(judge(images))  # float (N, 10), how sure of each class
    search.archive["3"]
    ```

    Args:
        image_shape: (channels, height, width) of the images; channels is 1 (gray) or 3 (RGB).
        classes: names of the classes that the judge scores, or their number.
        cells: indices of the classes to evolve for, each once; all if None.
        encoding: what genomes are, settings or a name.
        strategy: how they are found, settings or a name.
        objective: what elites are chosen by, settings or a name.
        start: random individuals of generation 0; as many as `batch` if None.
        batch: children of each later generation; what suits the strategy if None.
        seed: the same seed, and the same confidences, give the same images.
        ahead: generations that are bred before the one before them is told, so that who judges never waits.

    Raises:
        ConfigError: the parts do not fit together.

    Attributes:
        archive: the elites; there are none before the first `tell`.
        lineage: who descends from whom.
        generation: the last complete generation; 0 is the random start, -1 is before it.
        evaluations: images judged so far.
    """

    archive: Archive

    def __init__(
        self,
        image_shape: Shape,
        classes: Sequence[str] | int,
        *,
        cells: Sequence[int] | None = None,
        encoding: Encoding | str | Mapping[str, Any] | None = None,
        strategy: StrategySettings | str | Mapping[str, Any] | None = None,
        objective: Objective | str | Mapping[str, Any] | None = None,
        start: int | None = None,
        batch: int | None = None,
        seed: int = 0,
        ahead: int = 0,
    ) -> None:
        self.image_shape = _checked_shape(image_shape)
        self.class_names: tuple[str, ...] = (
            tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
        )
        self.cells = np.array(range(len(self.class_names)) if cells is None else list(cells), np.int64)
        count = len(self.cells)
        if (
            not count
            or len(np.unique(self.cells)) < count
            or not (0 <= self.cells.min() <= self.cells.max() < len(self.class_names))
        ):
            raise ConfigError(
                f"The cells must be indices of the {len(self.class_names)} classes, each once, and at least one."
            )
        self.encoding: Encoding = Cppn() if encoding is None else ENCODINGS.parse(encoding)
        settings: StrategySettings = PatternElites() if strategy is None else STRATEGIES.parse(strategy)
        self.objective: Objective = Confidence() if objective is None else OBJECTIVES.parse(objective)
        check_fit(settings, self.encoding, ahead=ahead)
        self.strategy = settings
        self.batch = settings.default_batch(count) if batch is None else batch
        self.start = self.batch if start is None else start
        self.seed = seed
        self.ahead = ahead
        for name, value, low, high in (
            ("batch", self.batch, 1, _MOST),
            ("start", self.start, 1, _MOST),
            ("seed", seed, 0, 2**64 - 1),
            ("ahead", ahead, 0, MOST_AHEAD),
        ):
            if not low <= value <= high:
                raise ConfigError(f"{name} must be from {low} to {high:,}, not {value}.")
        settings.check(cells=count, batch=self.batch)
        self.lineage = Lineage()
        self.generation = -1
        self.evaluations = 0
        self._asked: deque[Bred] = deque()
        self._state: Strategy | None = None

    def ask(self) -> NDArray[np.uint8]:
        """The images of the next generation, uint8 (N, *image_shape). Asked again, the same ones."""
        genomes = self.ask_genomes()
        images = np.empty((len(genomes), *self.image_shape), np.uint8)
        genomes.render(images)
        return images

    def ask_genomes(self) -> Any:
        """The genomes of the next generation, a `Population`, for a judge that draws them itself."""
        return self.ask_generations()[0]

    def ask_generations(self) -> list[Any]:
        """The genomes of every generation that may be judged now, the next one first: with `ahead`, so many more.

        Those of the start come alone, for whoever comes after them descends from them. Asked again, the same ones.
        """
        if self._state is None:
            if not self._asked:
                self._asked.append(Bred.random(self.first_genomes()))
        else:
            while len(self._asked) <= self.ahead:
                offspring = self._state.ask(self.generation + 1 + len(self._asked))
                self._asked.append(Bred.of(offspring, self.archive))
        return [bred.offspring.genomes for bred in self._asked]

    def first_genomes(self) -> Any:
        """The genomes of generation 0, a `Population`, whatever the generation is."""
        return self.encoding.start(self.start, shape=self.image_shape, seed=self.seed, markings=self.strategy.markings)

    def winners(self, confidences: NDArray[np.float32]) -> NDArray[np.int64]:
        """Which of the individuals asked for, by index, would become elites with these confidences, (N, classes)."""
        fitness = self.objective.fitness(confidences, self.cells)
        return np.unique(np.argmax(fitness, axis=0) if self._state is None else self.archive.winners(fitness)[1])

    def tell(self, confidences: NDArray[np.floating], *, contenders: NDArray[np.int64] | None = None) -> int:
        """Takes the generation asked for in, the first of them.

        Args:
            confidences: how sure the judge is of every image for each class, shape (N, classes), finite.
            contenders: who may become an elite, as indices of the individuals asked for; everybody if None. The strategy is
                told of all. In generation 0 there is no choice, for every cell is filled.

        Returns:
            Number of classes that got a better elite.

        Raises:
            ValueError: there was no `ask`, or the confidences have another shape or are not finite.
        """
        if not self._asked:
            raise ValueError("tell() takes the confidences of the images that ask() returned; call ask() first.")
        offspring, parent_confidence = self._asked[0].offspring, self._asked[0].parent_confidence
        scores = np.asarray(confidences, np.float32)
        wanted = (len(offspring.genomes), len(self.class_names))
        if scores.shape != wanted:
            raise ValueError(f"confidences must have the shape (images, classes) = {wanted}, not {scores.shape}.")
        fitness = self.objective.fitness(scores, self.cells)
        cells = (wanted[0], len(self.cells))
        if fitness.shape != cells:
            raise ValueError(f"the objective {self.objective.name} returned shape {fitness.shape}, not {cells}.")
        if not (np.isfinite(scores).all() and np.isfinite(fitness).all()):
            raise ValueError("confidences and fitness must be finite; NaN would win every comparison.")
        generation, first_id = self.generation + 1, self.evaluations
        if self._state is None:
            self.archive = Archive.begin(
                offspring.genomes, scores, fitness, classes=self.cells, class_names=self.class_names
            )
            self._state = self.strategy.begin(self._setting(), offspring.genomes, fitness)
            improved, born = len(self.cells), np.arange(len(scores))
        else:
            contending = fitness
            if contenders is not None:
                contending = np.full_like(fitness, -np.inf)
                contending[contenders] = fitness[contenders]
            taken = self.archive.add(offspring.genomes, scores, contending, first_id=first_id, generation=generation)
            self._state.tell(offspring, fitness, first_id=first_id, taken=taken)
            improved = int((taken >= 0).sum())
            born = np.unique(np.concatenate([self.archive.ids, self._state.living()])) - first_id
            born = born[born >= 0]
        self.lineage.add(
            (first_id + born).tolist(),
            map(tuple, offspring.parents[born].tolist()),
            offspring.classes[born].tolist(),
            generation=generation,
            parent_confidence=parent_confidence[born].tolist(),
        )
        self._asked.popleft()
        self.generation = generation
        self.evaluations += len(scores)
        if generation and generation % _PRUNE_EVERY == 0:
            self._prune()
        return improved

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that `restore` needs beside what the search was made with.

        Raises:
            ValueError: there was no `tell` yet.
        """
        if self._state is None:
            raise ValueError("the search has not begun; ask() and tell() once.")
        self._prune()
        genomes = {f"archive.genomes.{name}": values for name, values in self.archive.genomes.arrays().items()}
        state = {f"strategy.{name}": values for name, values in self._state.arrays().items()}
        births = {"lineage": self.lineage.array(), "lineage.confidence": self.lineage.parent_confidence()}
        # What `ask_generations` breeds after the last `tell` it breeds again.
        asked = {
            f"ahead.{number}.{name}": values
            for number, bred in enumerate(islice(self._asked, self.ahead))
            for name, values in bred.arrays().items()
        }
        return {**self.archive.arrays(), **births, **genomes, **state, **asked}

    def restore(self, arrays: Arrays, *, generation: int, evaluations: int) -> None:
        """Takes up the state of a search that was made with the same arguments. What `arrays` hold may come from a stranger.

        Args:
            arrays: what `arrays` returned.
            generation: its generation.
            evaluations: its number of images judged.

        Raises:
            RunError: they are not the state of such a search.
        """
        if generation > _MOST_GENERATIONS:
            raise RunError(f"The checkpoint is of generation {generation:,}, which no run reaches; it is damaged.")
        births = expect(arrays, "lineage", np.int64, (None, 5), ndim=2)
        recorded = "lineage.confidence" in arrays  # older releases did not
        restored = Lineage.restored(
            births,
            generation=generation,
            classes=len(self.class_names),
            parent_confidence=expect(arrays, "lineage.confidence", np.float32, (len(births),), ndim=1)
            if recorded
            else None,
        )
        markings = self.strategy.markings
        try:
            genomes = self.encoding.restore(
                under(arrays, "archive.genomes."), shape=self.image_shape, seed=self.seed, markings=markings
            )
            archive = Archive.restored(genomes, arrays, class_names=self.class_names)
            if not np.array_equal(archive.classes, self.cells):
                raise RunError("The checkpoint's classes are not those that the run evolves for; it is damaged.")
            self.archive = archive
            state = self.strategy.restore(self._setting(), under(arrays, "strategy."))
            asked = deque(
                Bred.restored(under(arrays, f"ahead.{number}."), archive, batch=self.batch)
                for number in range(self.ahead if generation else 0)
            )
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise RunError(
                f"The checkpoint does not hold the genomes of the run ({_first_line(error)}); it is damaged."
            ) from error
        if any(
            individual not in restored or individual >= evaluations for individual in _living(archive, state, asked)
        ):
            raise RunError("The checkpoint's lineage lacks individuals that are alive; it is damaged.")
        self.lineage, self._state, self._asked = restored, state, asked
        self.generation, self.evaluations = generation, evaluations

    def _setting(self) -> Setting:
        return Setting(archive=self.archive, encoding=self.encoding, batch=self.batch, seed=self.seed)

    def _prune(self) -> None:
        if self._state is not None:
            self.lineage.prune(_living(self.archive, self._state, self._asked))

    def __repr__(self) -> str:
        what = f"Search by {self.strategy.name} of {self.encoding.name} genomes for {len(self.cells)} classes"
        if self._state is None:
            return f"<{what}: not begun>"
        median = percent(self.archive.statistics()["median_confidence"])
        return f"<{what}: generation {self.generation}, {self.evaluations:,} images judged, median confidence {median}>"

    def _repr_html_(self) -> str:
        return self.archive._repr_html_() if self._state else f"<p>{len(self.cells)} classes, not begun</p>"


def check_fit(strategy: StrategySettings, encoding: Encoding, *, ahead: int = 0) -> None:
    """Raises ConfigError if a strategy relies on what an encoding lacks, or cannot breed ahead."""
    if ahead and not getattr(strategy, "breeds_ahead", False):
        raise ConfigError(
            f"The {strategy.name} strategy makes a generation out of the one before, so none can be bred ahead; leave out "
            "ahead, or take pattern-elites or map-elites."
        )
    if strategy.markings and not encoding.markings:
        raise ConfigError(
            f"The {strategy.name} strategy evolves network topologies, so it needs the cppn encoding or another one with "
            f"historical markings, not {encoding.name}."
        )


def _checked_shape(shape: Shape) -> Shape:
    if len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1:
        raise ConfigError(f"image_shape must be (channels, height, width) with 1 or 3 channels, not {tuple(shape)}.")
    return int(shape[0]), int(shape[1]), int(shape[2])


def _living(archive: Archive, state: Strategy, asked: Iterable[Bred]) -> list[int]:
    """Ids of those from whom somebody may still descend."""
    ids = np.concatenate([archive.ids, state.living(), *(bred.ancestors() for bred in asked)])
    found: list[int] = ids.tolist()
    return found


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
