"""The elites of a run: confidences and pictures that belong together, whatever made them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neatfool.encodings import ENCODINGS, Population
from neatfool.errors import ConfigError, RunError
from neatfool.runs import checkpoint
from neatfool.shared.files import MIB
from neatfool.shared.pixels import as_pixels

if TYPE_CHECKING:
    from neatfool.runs.folder import RunFolder

PICTURES_LIMIT = 1024 * MIB
"""Bytes of all pictures together: a few genes draw as large a picture as a manifest says."""

_ROUNDING = 1e-4
"""Confidences may add up to a little more than 1."""
_COLUMNS = {"classes": np.int64, "confidence": np.float32, "id": np.int64, "generation": np.int64}


@dataclass(frozen=True)
class Elite:
    """The best image found for one class.

    Attributes:
        class_index: the class.
        class_name: its name.
        confidence: of the judge in this class, in [0, 1].
        id: identity of the individual in the lineage.
        generation: the generation that made it.
        pixels: its picture, uint8 (channels, H, W); None where a file of the run folder is missing.
    """

    class_index: int
    class_name: str
    confidence: float
    id: int
    generation: int
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Elites:
    """The best image of every class that has one, in the order of the checkpoint.

    Attributes:
        classes: class index of each, shape (k,), int64.
        class_names: its name.
        confidence: of the judge in that class, shape (k,), float32 in [0, 1].
        ids: identity of each in the lineage, shape (k,), int64.
        generation: the generation that made it, shape (k,), int64.
        genomes: what draws them; None where a run has no genomes.
    """

    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    confidence: NDArray[np.float32]
    ids: NDArray[np.int64]
    generation: NDArray[np.int64]
    genomes: Population | None
    _folder: RunFolder
    _stored: Mapping[int, NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.classes)

    def pixels(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
        """The pictures, uint8 (k, channels, H, W), those that the confidences were measured on.

        They are drawn from the genomes, or read from the checkpoint; only a picture that can no longer change is read from
        its PNG.

        Args:
            rows: positions of those wanted; all if None.

        Raises:
            RunError: a file is missing or damaged.
        """
        wanted = self.classes if rows is None else self.classes[rows]
        out = np.empty((len(wanted), *self._folder.manifest.image_shape), np.uint8)
        if self.genomes is not None:
            genomes = self.genomes if rows is None else self.genomes.take(rows.astype(np.uint32))
            genomes.render(out)
            return out
        for cell, class_index in enumerate(wanted.tolist()):
            out[cell] = self._picture(class_index)
        return out

    def one_by_one(self) -> list[Elite]:
        """The elites in class order, for people to look at.

        Raises:
            RunError: a file is damaged.
        """
        if self.genomes is None:
            paths = [self._folder.image_path(index) for index in self.classes.tolist()]
            pictures: list[NDArray[np.uint8] | None] = [
                self._picture(index) if index in self._stored or path.exists() else None
                for index, path in zip(self.classes.tolist(), paths, strict=True)
            ]
        else:
            pictures = list(self.pixels())
        elites = [
            Elite(
                int(self.classes[cell]),
                self.class_names[cell],
                float(self.confidence[cell]),
                int(self.ids[cell]),
                int(self.generation[cell]),
                pixels,
            )
            for cell, pixels in enumerate(pictures)
        ]
        return sorted(elites, key=lambda elite: elite.class_index)

    def _picture(self, class_index: int) -> NDArray[np.uint8]:
        stored = self._stored.get(class_index)
        return as_pixels(self._folder.image(class_index)) if stored is None else stored


def elite_arrays(
    *,
    classes: NDArray[np.int64],
    confidence: NDArray[np.float32],
    ids: NDArray[np.int64],
    generation: NDArray[np.int64],
    changing: NDArray[np.int64],
    pictures: NDArray[np.uint8],
) -> dict[str, NDArray[Any]]:
    """A checkpoint's arrays for elites without genomes, as `read_elites` reads them.

    Args:
        classes: class index of each, shape (k,).
        confidence: shape (k,); -1 for a class that has none yet.
        ids: shape (k,); -1 for a class that has none yet.
        generation: shape (k,).
        changing: classes whose PNG may be replaced after this checkpoint, shape (m,).
        pictures: their pictures, uint8 (m, channels, H, W).
    """
    return {
        "archive.classes": classes,
        "archive.confidence": confidence,
        "archive.id": ids,
        "archive.generation": generation,
        "archive.changing": changing,
        "archive.pictures": pictures,
    }


def read_elites(folder: RunFolder) -> Elites:
    """The elites of a run's checkpoint; none without a checkpoint.

    Raises:
        RunError: the checkpoint is damaged or contradicts the manifest.
    """
    source = folder.path / checkpoint.STATE
    arrays: checkpoint.Arrays = {}
    if folder.has_checkpoint:
        arrays, _ = folder.load_checkpoint()
    else:
        arrays = {f"archive.{name}": np.empty(0, dtype) for name, dtype in _COLUMNS.items()}
    cells = len(checkpoint.expect(arrays, "archive.classes", np.int64, (None,), ndim=1, source=source))
    classes, confidence, ids, generation = (
        checkpoint.expect(arrays, f"archive.{name}", dtype, (cells,), ndim=1, source=source)
        for name, dtype in _COLUMNS.items()
    )
    names = folder.manifest.class_names
    filled = (confidence >= 0) & (ids >= 0)
    if not ((classes >= 0) & (classes < len(names))).all() or len(np.unique(classes)) < cells:
        raise RunError(f"{source}: 'archive.classes' has a class twice or out of range.")
    if (generation < 0).any():
        raise RunError(f"{source}: 'archive.generation' is negative for a class; the checkpoint is damaged.")
    if not (confidence <= 1 + _ROUNDING).all():
        raise RunError(f"{source}: 'archive.confidence' is {confidence.max()} for a class; the checkpoint is damaged.")
    if (size := cells * math.prod(folder.manifest.image_shape)) > PICTURES_LIMIT:
        raise RunError(
            f"The {cells} images of {folder.path} take {size:,} bytes, more than the {PICTURES_LIMIT:,} that a run may have; "
            "its manifest is damaged."
        )
    genomes = _genomes(folder, arrays, cells)
    if genomes is not None and not filled.all():
        raise RunError(f"{source} has genomes for classes without a confidence; the checkpoint is damaged.")
    return Elites(
        classes=classes[filled],
        class_names=tuple(names[index] for index in classes[filled]),
        confidence=np.minimum(confidence[filled], np.float32(1)),
        ids=ids[filled],
        generation=generation[filled],
        genomes=genomes,
        _folder=folder,
        _stored=_stored(folder, arrays),
    )


def _genomes(folder: RunFolder, arrays: checkpoint.Arrays, cells: int) -> Population | None:
    prefix = "archive.genomes."
    parts = {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
    if not parts:
        return None
    try:
        encoding = ENCODINGS.parse(folder.config.get("encoding", {}))
        genomes: Population = encoding.restore(parts, shape=folder.manifest.image_shape, seed=0)
    except (ConfigError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{folder.path / checkpoint.STATE} does not hold the genomes of the run ({error}).") from error
    if len(genomes) != cells:
        raise RunError(
            f"{folder.path / checkpoint.STATE} has {len(genomes)} genomes for {cells} classes; it is damaged."
        )
    return genomes


def _stored(folder: RunFolder, arrays: checkpoint.Arrays) -> dict[int, NDArray[np.uint8]]:
    if "archive.changing" not in arrays:
        return {}
    source = folder.path / checkpoint.STATE
    classes = (0, len(folder.manifest.class_names) - 1)
    changing = checkpoint.expect(arrays, "archive.changing", np.int64, (None,), ndim=1, within=classes, source=source)
    shape = (len(changing), *folder.manifest.image_shape)
    pictures = checkpoint.expect(arrays, "archive.pictures", np.uint8, shape, ndim=4, source=source)
    return dict(zip(changing.tolist(), pictures, strict=True))
