"""The line of descent of an elite as a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neatfool.encodings import CppnPopulation, Population
from neatfool.errors import ConfigError
from neatfool.report.morphing import morph
from neatfool.runs import RunFolder
from neatfool.search import Run, folder_of, load_search, replay_ancestors
from neatfool.shared.files import replacing
from neatfool.shared.pixels import for_looking

if TYPE_CHECKING:
    from os import PathLike

FILM_FORMATS = (".webp", ".gif", ".mp4")
LARGEST_FILM = 2048
MOST_FRAMES = 3000

_HOLD = 1.5
"""Seconds for which the elite is shown at the end."""
_SEGMENT = 5
"""Frames from one ancestor to the next, at least."""
_THUMBNAIL = 48
_SAMPLED = 12
"""Frames that the palette of a GIF is made from."""


@dataclass(frozen=True)
class Film:
    """What `animate` wrote.

    Attributes:
        path: the file.
        class_index: the class of the elite.
        ancestors: individuals from generation 0 to the elite.
        shown: how many of them are shown; those that look like the one before are left out.
        frames: pictures of the film.
        seconds: how long it takes.
        size: (width, height) in pixels.
    """

    path: Path
    class_index: int
    ancestors: int
    shown: int
    frames: int
    seconds: float
    size: tuple[int, int]

    def summary(self) -> dict[str, Any]:
        """What `neatfool animate --json` prints."""
        return {
            "class": self.class_index,
            "ancestors": self.ancestors,
            "shown": self.shown,
            "frames": self.frames,
            "seconds": self.seconds,
            "size": list(self.size),
            "out": str(self.path),
        }


def animate(
    source: Run | RunFolder | Path | str,
    class_name: str | int,
    *,
    out: PathLike[str] | str,
    size: int = 512,
    seconds: float = 6.0,
    fps: int = 20,
) -> Film:
    """Writes how an elite came about, from the random start to what it is, as a film that loops.

    The ancestors of CPPNs become one another: weights move, new connections grow from 0 and lost ones shrink to 0. Where a
    node changes its function, and with other encodings, one picture fades into the next.

    Args:
        source: a run of the pattern-elites or map-elites strategy, or its folder.
        class_name: an index or (part of) a class name.
        out: the file to write: .webp, .gif or .mp4 (which needs PyAV).
        size: shorter side in pixels.
        seconds: how long it takes, the elite at the end included.
        fps: frames a second.

    Raises:
        ConfigError: the format, the size or the length cannot be had.
        ModelError: no class, or several, are called so.
        RunError: the run cannot be replayed (see `replay_ancestors`), or the file cannot be written.
    """
    path = Path(out)
    if path.suffix.lower() not in FILM_FORMATS:
        raise ConfigError(f"{path} names no format of films; end it in {', '.join(FILM_FORMATS)}.")
    if not 16 <= size <= LARGEST_FILM or not 1 <= fps <= 60 or not 2 <= seconds * fps <= MOST_FRAMES:
        raise ConfigError(
            f"A film has a size of 16 to {LARGEST_FILM} pixels, 1 to 60 frames a second, and 2 to {MOST_FRAMES:,} frames in "
            f"all; not {size} pixels and {seconds:g} seconds at {fps} frames a second."
        )
    if path.suffix.lower() == ".mp4":
        _av()
    folder = folder_of(source)
    _, search, _ = load_search(folder)
    class_index = int(search.archive.classes[search.archive.cell(class_name)])
    ancestors = replay_ancestors(folder, [class_index])
    line = ancestors.line(class_index)
    genomes = ancestors.genomes(line)
    moving = max(1, round((seconds - min(_HOLD, seconds / 3)) * fps))
    shown = _chosen(genomes, max(1, moving // _SEGMENT))
    _, height, width = genomes.shape
    scale = size / min(height, width)
    # Films of most formats have even sides.
    drawn = (max(2, round(height * scale) // 2 * 2), max(2, round(width * scale) // 2 * 2))
    frames = list(_frames(genomes.take(np.array(shown)), drawn, moving))
    hold = max(1, round(seconds * fps) - len(frames) + 1)
    with replacing(path) as temporary:
        _WRITERS[path.suffix.lower()](frames, temporary, fps, hold)
    total = len(frames) - 1 + hold
    return Film(path, class_index, len(line), len(shown), len(frames), round(total / fps, 3), (drawn[1], drawn[0]))


def draw_at(genomes: Population, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Pictures for looking at, (N, height, width[, 3]): drawn anew where the encoding can, else enlarged pixel by pixel."""
    channels, *own = genomes.shape
    out = np.empty((len(genomes), channels, *(size if genomes.scalable else own)), np.uint8)
    genomes.render(out)
    pictures = for_looking(out)
    if genomes.scalable:
        return pictures
    nearest = Image.Resampling.NEAREST
    return np.stack([np.asarray(Image.fromarray(one).resize(size[::-1], nearest)) for one in pictures])


def _chosen(genomes: Population, most: int) -> list[int]:
    """Positions of at most `most + 1` ancestors, the first and the last among them, between which much the same happens."""
    small = draw_at(genomes, (_THUMBNAIL, _THUMBNAIL)).astype(np.float64)
    change = np.abs(np.diff(small, axis=0)).reshape(len(small) - 1, -1).mean(axis=1)
    # So that one leap does not take the whole film.
    path = np.concatenate([[0.0], np.sqrt(change).cumsum()])
    moved: list[int] = [0, *(np.flatnonzero(change) + 1).tolist()]
    if len(moved) > most + 1:
        marks = np.linspace(0, path[-1], most + 1)
        moved = sorted({0, *np.searchsorted(path, marks[1:] - 1e-9).tolist()})
    if moved[-1] != len(genomes) - 1:
        moved[-1 if len(moved) > 1 else len(moved) :] = [len(genomes) - 1]
    return moved if len(genomes) > 1 else [0]


def _frames(genomes: Population, size: tuple[int, int], count: int) -> Iterator[Image.Image]:
    """Pictures from the first genome to the last."""
    steps = len(genomes) - 1
    for step in range(steps):
        parts = count // steps + (step < count % steps)
        moments = np.linspace(0, 1, parts, endpoint=False)
        # Slowly away from one ancestor and slowly towards the next.
        moments = moments * moments * (3 - 2 * moments)
        if isinstance(genomes, CppnPopulation):
            pictures: Sequence[NDArray[np.uint8]] = _morphed(genomes, step, moments, size)
        else:
            pictures = _faded(draw_at(genomes.take(np.array([step, step + 1])), size), moments)
        yield from map(Image.fromarray, pictures)
    yield Image.fromarray(draw_at(genomes.take(np.array([steps])), size)[0])


def _morphed(
    genomes: CppnPopulation, step: int, moments: NDArray[np.float64], size: tuple[int, int]
) -> list[NDArray[np.uint8]]:
    between = morph(genomes, step, step + 1, moments)
    if between is None:
        return _faded(draw_at(genomes.take(np.array([step, step + 1])), size), moments)
    older, younger = between
    frames = []
    for place, moment in enumerate(moments):
        ends = np.concatenate([draw_at(side.take(np.array([place])), size) for side in (older, younger)])
        frames += _faded(ends, np.array([moment]))
    return frames


def _faded(ends: NDArray[np.uint8], moments: NDArray[np.float64]) -> list[NDArray[np.uint8]]:
    return [np.rint(ends[0] * (1 - moment) + ends[1] * moment).astype(np.uint8) for moment in moments]


def _write_webp(frames: list[Image.Image], path: Path, fps: int, hold: int) -> None:
    _write_frames(frames, path, "WEBP", _durations(frames, fps, hold), quality=75)


def _write_gif(frames: list[Image.Image], path: Path, fps: int, hold: int) -> None:
    sample = frames[:: max(1, len(frames) // _SAMPLED)] + frames[-1:]
    strip = np.concatenate([np.asarray(frame.convert("RGB").reduce(2)) for frame in sample])
    palette = Image.fromarray(strip).quantize(256, Image.Quantize.MEDIANCUT)
    few = [frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    _write_frames(few, path, "GIF", _durations(frames, fps, hold), optimize=False)


def _write_frames(frames: list[Image.Image], path: Path, form: str, durations: list[int], **options: Any) -> None:
    frames[0].save(path, form, save_all=True, append_images=frames[1:], duration=durations, loop=0, **options)


def _durations(frames: list[Image.Image], fps: int, hold: int) -> list[int]:
    return [round(1000 / fps)] * (len(frames) - 1) + [round(1000 * hold / fps)]


def _write_mp4(frames: list[Image.Image], path: Path, fps: int, hold: int) -> None:
    av = _av()
    with av.open(str(path), "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "slow"})
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        for frame in [*frames, *frames[-1:] * (hold - 1)]:
            film.mux(stream.encode(av.VideoFrame.from_image(frame.convert("RGB"))))
        film.mux(stream.encode())


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ConfigError(
            "Films in .mp4 need PyAV, which is not installed; run pip install 'neatfool[film]', or write .webp or .gif."
        ) from error
    return av


_WRITERS = {".webp": _write_webp, ".gif": _write_gif, ".mp4": _write_mp4}
