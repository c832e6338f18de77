"""What the large view of a report shows of each elite, ready for JSON."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.encodings import Population
from neatfool.errors import NeatfoolError
from neatfool.figures.page import SMALL_SIDE
from neatfool.figures.tiles import encoded_picture
from neatfool.report.pictures import Keep
from neatfool.report.summary import Summary
from neatfool.runs import Elite, RunFolder, read_elites
from neatfool.search import Ancestors, Birth, replay_ancestors
from neatfool.shared.pixels import as_picture
from neatfool.shared.text import percent

PHOTOGRAPH = 224
_MOST_ANCESTORS = 60
"""Whose confidence is drawn."""
_MOST_BYTES = 24e6
"""Of all pictures of large views on a page; the small ones take up to 12 million more."""


@dataclass(frozen=True)
class Sizes:
    """How much of each elite fits on a page.

    Attributes:
        picture: longest side of its picture, pixels; a larger one is reduced.
        drawn: longest side that CPPNs are drawn anew at; None for as the classifier saw them.
        frames: most ancestors.
        frame: longest side of one.
    """

    picture: int
    drawn: int | None
    frames: int
    frame: int

    @classmethod
    def for_images(cls, count: int, *, apart: bool = False) -> Sequence[Sizes]:
        """Sizes with which a page of so many images stays small enough to send; the last are for noise, as pixels make it.

        Pictures that lie `apart` from the page may be of any number.
        """
        if apart or count <= 40:
            return (cls(picture=640, drawn=512, frames=12, frame=96),)
        return cls(picture=256, drawn=None, frames=8, frame=40), cls(picture=96, drawn=None, frames=4, frame=32)


def album(
    run: RunFolder,
    summary: Summary,
    sizes: Sequence[Sizes],
    photographs: Mapping[int, Sequence[Image.Image]],
    keep: Keep,
    *,
    prefix: str,
    images: int,
) -> tuple[dict[str, dict[str, Any]], str]:
    """What there is to show of every elite of a run.

    Args:
        run: the run.
        summary: its numbers.
        sizes: to be tried one after the other, until all pictures are small enough.
        photographs: of real things, by class index.
        keep: where pictures go.
        prefix: of the fragments of permalinks, by which the runs of a page differ.
        images: how many there are on the page.

    Returns:
        An entry for each elite by the fragment of its permalink, and why there are no ancestors (empty if there are).

    Raises:
        RunError: a file of the run is damaged, or a picture cannot be written.
    """
    names = run.manifest.class_names
    elites = read_elites(run)
    rows = {index: row for row, index in enumerate(elites.classes.tolist())}
    ancestors, why = _ancestors(run)

    def entry(elite: Elite, sizes: Sizes) -> dict[str, Any]:
        index = elite.class_index
        anchor = anchor_of(index, prefix)
        genome = None if elites.genomes is None else elites.genomes.take(np.array([rows[index]]))
        top = summary.judgement.top(index) if summary.judgement else []
        return {
            "class": index,
            "name": elite.class_name,
            "confidence": percent(elite.confidence),
            "generation": elite.generation,
            "image": None if elite.pixels is None else keep(anchor, *_picture(elite.pixels, genome, sizes)),
            "top": [[names[one], percent(share), round(100 * share, 2), one == index] for one, share in top],
            "film": ancestors and _film(ancestors, elite, names, sizes, keep, f"{anchor}-ancestors"),
            "genome": _genes(genome),
            "photographs": [
                keep(f"{anchor}-real-{number}", *encoded_picture(one, PHOTOGRAPH))
                for number, one in enumerate(photographs.get(index, ()), 1)
            ],
        }

    entries: list[dict[str, Any]] = []
    # Encoding pictures, which is most of the work, lets other threads run.
    with ThreadPoolExecutor() as pool:
        for one in sizes:
            entries = list(pool.map(partial(entry, sizes=one), summary.elites))
            if images * sum(map(_bytes, entries)) <= _MOST_BYTES * len(entries):
                break
    anchors = (anchor_of(elite.class_index, prefix) for elite in summary.elites)
    return dict(zip(anchors, entries, strict=True)), why


def anchor_of(class_index: int, prefix: str) -> str:
    """The fragment of the permalink of an image, and the name of its files."""
    return f"{prefix}class-{class_index}"


def _bytes(entry: Mapping[str, Any]) -> int:
    return len(entry["image"] or "") + len(entry["film"]["image"] if entry["film"] else "")


def _picture(pixels: NDArray[np.uint8], genome: Population | None, sizes: Sizes) -> tuple[bytes, str]:
    """Drawn anew where that shows more; what is small is shown as it was seen, pixel for pixel."""
    if genome is not None and genome.scalable and sizes.drawn and max(pixels.shape) > SMALL_SIDE:
        pixels = _drawn(genome, sizes.drawn)[0]
    picture = as_picture(pixels)
    picture.thumbnail((sizes.picture, sizes.picture))
    return _encoded(picture, exact=max(pixels.shape) <= SMALL_SIDE)


def _encoded(picture: Image.Image, *, exact: bool) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    if exact:
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "WEBP", quality=80)
    return buffer.getvalue(), "png" if exact else "webp"


def _drawn(genomes: Population, side: int) -> NDArray[np.uint8]:
    channels, height, width = genomes.shape
    scale = side / max(height, width)
    out = np.empty((len(genomes), channels, max(1, round(height * scale)), max(1, round(width * scale))), np.uint8)
    genomes.render(out)
    return out


def _genes(genome: Population | None) -> dict[str, Any] | None:
    """A CPPN; the genes of a direct image are the image."""
    described = None if genome is None else genome.describe(0)
    return described if described and described.get("format") == "neatfool-cppn" else None


def _ancestors(run: RunFolder) -> tuple[Ancestors | None, str]:
    if run.manifest.command != "evolve" or not run.has_checkpoint:
        return None, ""
    try:
        return replay_ancestors(run), ""
    except NeatfoolError as error:
        return None, str(error).replace(f"{run.path}", "this run")


def _film(
    ancestors: Ancestors, elite: Elite, names: Sequence[str], sizes: Sizes, keep: Keep, name: str
) -> dict[str, Any]:
    """Some ancestors from generation 0 to the elite, evenly spread over the line, side by side on one picture."""
    line = ancestors.line(elite.class_index)
    chosen = _spread(len(line), sizes.frames)
    genomes = ancestors.genomes(line).take(chosen)
    channels, height, width = genomes.shape
    small = max(height, width) <= sizes.frame
    if genomes.scalable and not small:
        frames = _drawn(genomes, sizes.frame)
    else:
        frames = np.empty((len(chosen), channels, height, width), np.uint8)
        genomes.render(frames)
    strip = Image.fromarray(np.concatenate([np.asarray(as_picture(frame)) for frame in frames], axis=1))
    if not small and not genomes.scalable:
        strip.thumbnail((sizes.frame * len(chosen), sizes.frame))
    births = [line[row] for row in chosen.tolist()]
    return {
        "image": keep(name, *_encoded(strip, exact=small)),
        "length": len(line),
        "frames": [[birth.generation, _origin(birth, names)] for birth in births],
        "course": _course(line, elite, names),
    }


def _course(line: Sequence[Birth], elite: Elite, names: Sequence[str]) -> list[list[Any]]:
    """How sure the judge was of each ancestor in the class that it was kept for, as far as the run recorded it.

    That is the class for which its child was made, at that time; of the elite it is its own. Each as generation, confidence,
    this for people, and the class.
    """
    kept = [
        (birth.generation, child.parent_confidence, child.class_index)
        for birth, child in pairwise(line)
        if child.parent_confidence is not None and child.class_index is not None
    ]
    if not kept:
        return []
    kept.append((line[-1].generation, elite.confidence, elite.class_index))
    return [
        [generation, round(share, 7), percent(share), names[index]]
        for generation, share, index in (kept[place] for place in _spread(len(kept), _MOST_ANCESTORS).tolist())
    ]


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many positions of `count`, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _origin(birth: Birth, names: Sequence[str]) -> str:
    return "random start" if birth.class_index is None else names[birth.class_index]
