"""Emitters of pyribs as a strategy of this package's search."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from neatfool.ecosystem.elites import to_ribs
from neatfool.ecosystem.solutions import as_genomes, as_solutions, import_ribs
from neatfool.encodings import Arrays, Population
from neatfool.errors import ConfigError
from neatfool.search import MapElitesStrategy, Offspring, Setting, Strategy, register_strategy
from neatfool.search.strategy import paper_batch
from neatfool.shared.settings import Settings
from neatfool.shared.text import reason


@register_strategy
class Ribs(Settings):
    """Children by an emitter of pyribs, made anew for each generation from the elites, for genomes that are rows of numbers.

    Only emitters that are not told how their solutions did will do: no checkpoint could hold what the others learn.

    Attributes:
        emitter: its class in `ribs.emitters`: "IsoLineEmitter" (Vassiliades & Mouret 2018), "GaussianEmitter", ...
        options: its further arguments, such as `{"iso_sigma": 0.05}`.
    """

    name: Literal["ribs"] = "ribs"
    emitter: str = "IsoLineEmitter"
    options: dict[str, float | int | bool | str | list[float]] = Field(default_factory=dict)

    markings: ClassVar[bool] = False

    def default_batch(self, cells: int) -> int:
        """See `StrategySettings.default_batch`."""
        return paper_batch(cells)

    def check(self, *, cells: int, batch: int) -> None:
        """See `StrategySettings.check`; the emitter has to exist and to learn nothing."""
        emitters = import_ribs().emitters
        kind = getattr(emitters, self.emitter, None)
        known = [name for name in emitters.__all__ if _remembers_nothing(emitters, getattr(emitters, name))]
        if self.emitter not in known:
            why = "is none of pyribs" if kind is None else "learns from what it is told, which no checkpoint can hold"
            raise ConfigError(f"The emitter {self.emitter} {why}; choose {', '.join(known)}.")

    def begin(self, setting: Setting, first: Population, fitness: NDArray[np.float32]) -> Strategy:
        """See `StrategySettings.begin`.

        Raises:
            ConfigError: genomes are no rows of numbers.
        """
        if as_solutions(first.take(np.array([0]))).dtype == object:
            raise ConfigError(
                f"Emitters of pyribs change rows of numbers, which {first.encoding.name} genomes are not; choose the direct "
                "encoding or one of your own."
            )
        return _Emitting(self, setting)

    def restore(self, setting: Setting, arrays: Arrays) -> Strategy:
        """See `StrategySettings.restore`."""
        return _Emitting(self, setting)


def _remembers_nothing(emitters: Any, kind: Any) -> bool:
    base = emitters.EmitterBase
    return kind is not base and issubclass(kind, base) and kind.tell is base.tell and kind.ask_dqd is base.ask_dqd


class _Emitting(MapElitesStrategy):
    """The archive is all the state there is."""

    def __init__(self, settings: Ribs, setting: Setting) -> None:
        super().__init__(setting)
        self._settings = settings

    def ask(self, generation: int) -> Offspring:
        """See `Strategy.ask`. An emitter does not tell the parents of its solutions."""
        archive, batch = self.setting.archive, self.setting.batch
        seeds = np.random.SeedSequence((self.setting.seed, generation)).generate_state(2)
        kind = getattr(import_ribs().emitters, self._settings.emitter)
        try:
            emitter = kind(
                to_ribs(archive, seed=int(seeds[0])),
                x0=as_solutions(archive.genomes)[0],
                batch_size=batch,
                seed=int(seeds[1]),
                **self._settings.options,
            )
            emitted = emitter.ask()
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"The emitter {self._settings.emitter} cannot be made ({reason(error)}); mend its options."
            ) from error
        none = np.full((batch, 2), -1, np.int64)
        return Offspring(as_genomes(archive.genomes, emitted), none, none[:, 0].copy())
