"""One elite as a picture of any size, from its run or from a picture that carries its genome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neatfool.classifiers import find_class
from neatfool.encodings import LARGEST_SIDE, MOST_SAMPLES, Drawing
from neatfool.errors import ConfigError, ModelError
from neatfool.report.picture_file import PictureFile, PictureNote
from neatfool.report.strips import check_format, strip_rows, write_strips
from neatfool.runs import RunFolder, read_elites
from neatfool.search import Run, folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from numpy.typing import NDArray

    from neatfool.encodings import Population


@dataclass(frozen=True)
class Rendered:
    """What `render_elite` wrote.

    Attributes:
        path: the file.
        class_index: the class of the elite.
        size: (width, height) in pixels.
    """

    path: Path
    class_index: int
    size: tuple[int, int]

    def summary(self) -> dict[str, Any]:
        """What `neatfool render --json` prints."""
        return {"class": self.class_index, "size": list(self.size), "out": str(self.path)}


def render_elite(
    source: Run | RunFolder | Path | str,
    class_name: str | int | None = None,
    *,
    out: PathLike[str] | str,
    size: int | None = None,
    supersample: int = 1,
) -> Rendered:
    """Writes a picture of one elite, which carries the genome, so that it can be drawn again from the picture alone.

    Args:
        source: a run, its folder, or a picture that this function or `poster` wrote.
        class_name: an index or (part of) a class name; None for the only image of a picture.
        out: the file to write: .png, .webp or .jpg. JPEG carries no genome.
        size: shorter side in pixels; by default as evolved. A scalable genome, such as a CPPN, is drawn anew, others are
            enlarged pixel by pixel.
        supersample: samples a side of each pixel of a scalable genome, 1 to 4.

    Raises:
        ModelError: no class, or several, are called so.
        ConfigError: the picture would be too large for its format, or for any.
        RunError: the run or the picture is damaged, or the file cannot be written.
    """
    path = Path(out)
    image, note, class_index = _chosen(source, class_name)
    height, width = (image.shape[1], image.shape[2])
    scale = (size or min(height, width)) / min(height, width)
    drawn = (max(1, round(height * scale)), max(1, round(width * scale)))
    if max(drawn) > LARGEST_SIDE:
        raise ConfigError(
            f"A picture of {drawn[1]} x {drawn[0]} pixels is too large; choose a --size of at most "
            f"{LARGEST_SIDE * min(height, width) // max(height, width)}."
        )
    if not 1 <= supersample <= MOST_SAMPLES:
        raise ConfigError(f"A pixel has 1 to {MOST_SAMPLES} samples a side, not {supersample}.")
    check_format(path, drawn)
    drawing = Drawing(image, drawn, supersample=supersample)
    write_strips(path, drawn, strips(drawing, supersample), note=note.to_json() if note else "")
    return Rendered(path, class_index, (drawn[1], drawn[0]))


def strips(drawing: Drawing, samples: int) -> Iterator[NDArray[np.uint8]]:
    """A drawing from the top down."""
    rows = strip_rows(drawing.width * drawing.channels, samples)
    for row in range(0, drawing.height, rows):
        yield drawing.rows(row, min(row + rows, drawing.height))


def _chosen(
    source: Run | RunFolder | Path | str, class_name: str | int | None
) -> tuple[Population | NDArray[np.uint8], PictureNote | None, int]:
    """What draws the image of a class, what its picture is to carry, and the class."""
    if isinstance(source, Path | str) and Path(source).is_file():
        picture = PictureFile.open(Path(source))
        shown = picture.elite(class_name)
        return picture.genome(shown), picture.note.only(shown), shown.class_index
    folder = folder_of(source)
    if class_name is None:
        raise ModelError(f"The run {folder.path} has many images; name the class of one with --class.")
    elites, manifest = read_elites(folder), folder.manifest
    class_index = find_class(manifest.class_names, class_name, model=manifest.model)
    found = np.flatnonzero(elites.classes == class_index)
    if not len(found):
        raise ModelError(
            f"The run {folder.path} has no image of class {class_index} ({manifest.class_names[class_index]})."
        )
    if elites.genomes is None:
        return elites.pixels(found)[0], None, class_index
    return elites.genomes.take(found), PictureNote.of_run(folder, elites, found.tolist()), class_index
