"""An encoding of this package as an emitter for the schedulers of pyribs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.ecosystem.solutions import Solutions, as_genomes, as_solutions, import_ribs
from neatfool.encodings import ENCODINGS, Encoding, Shape
from neatfool.errors import ConfigError

_EmitterBase: Any = import_ribs().emitters.EmitterBase


class GenomeEmitter(_EmitterBase):  # type: ignore[misc]
    """Varies elites of a pyribs archive as an encoding does; from an empty archive it emits random genomes.

    Solutions are rows of numbers where genomes are such, and JSON texts for CPPNs: make the archive with `solution_dim=()` and
    `solution_dtype=object` then. `images` draws them.

    Args:
        archive: the pyribs archive that parents are drawn from.
        encoding: what genomes are, settings or a name.
        shape: (channels, height, width) of the images.
        batch_size: solutions of each `ask`.
        seed: of the variation; the archive has its own for drawing parents.

    Raises:
        ConfigError: pyribs is not installed (on import), or the archive has room for other solutions.

    Attributes:
        genomes: the random genomes it begins with.
    """

    def __init__(
        self, archive: Any, encoding: Encoding | str, *, shape: Shape, batch_size: int = 64, seed: int = 0
    ) -> None:
        settings: Encoding = ENCODINGS.parse(encoding)
        self.genomes = settings.start(batch_size, shape=shape, seed=seed)
        self.batch_size = batch_size
        self._generation = 0
        first = as_solutions(self.genomes)
        stored = (archive.solution_dim,) if isinstance(archive.solution_dim, int | np.integer) else archive.solution_dim
        if first.shape[1:] != tuple(stored) or (first.dtype.kind == "O") != (
            np.dtype(archive.dtypes["solution"]).kind == "O"
        ):
            wanted = first.shape[1] if first.ndim == 2 else ()
            raise ConfigError(
                f"The archive cannot hold {settings.name} genomes; make it with solution_dim={wanted} and "
                f"solution_dtype={first.dtype}."
            )
        self._first = first
        super().__init__(archive, solution_dim=archive.solution_dim, bounds=None, lower_bounds=None, upper_bounds=None)

    def ask(self) -> Solutions:
        """The next solutions, (batch_size, ...)."""
        self._generation += 1
        if self.archive.empty:
            return self._first
        parents = as_genomes(self.genomes, self.archive.sample_elites(2 * self.batch_size)["solution"])
        one = np.arange(self.batch_size, dtype=np.uint32)
        other = one if parents.parents == 1 else one + np.uint32(self.batch_size)
        return as_solutions(parents.vary(np.column_stack([one, other, np.ones_like(one)]), generation=self._generation))

    def images(self, solutions: Solutions) -> NDArray[np.uint8]:
        """What solutions draw, uint8 (N, channels, height, width)."""
        genomes = as_genomes(self.genomes, np.asarray(solutions))
        out = np.empty((len(genomes), *genomes.shape), np.uint8)
        genomes.render(out)
        return out
