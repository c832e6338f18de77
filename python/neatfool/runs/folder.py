"""One run on disk: settings, provenance, metrics, checkpoint and images."""

from __future__ import annotations

import html
import io
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import tomli_w
from PIL import Image

from neatfool.errors import RunError
from neatfool.figures.notebook import gallery_html
from neatfool.runs import checkpoint, elites
from neatfool.runs.elites import Elite
from neatfool.runs.judgement import JUDGEMENT, Judgement, read_judgement, write_judgement
from neatfool.runs.lock import held, remove_unfinished
from neatfool.runs.manifest import Manifest
from neatfool.runs.naming import default_path, setting_name
from neatfool.runs.trust import MARK, is_own, mark_as_own
from neatfool.shared.files import MIB, check_file, parse_json, read_bytes, replacing, to_json
from neatfool.shared.pixels import for_looking
from neatfool.shared.text import percent

CONFIG_LIMIT = 1 * MIB
METRICS_LIMIT = 768 * MIB
IMAGE_LIMIT = 256 * MIB

CONFIG = "config.toml"
MANIFEST = "manifest.json"
METRICS = "metrics.jsonl"
FAILED_BATCH = "failed_batch.npy"


class RunFolder:
    """A run folder, made by `create` or `open`.

    Every file is replaced atomically, so that a process killed at any moment leaves a folder that opens. Paths are
    built from class indices and fixed names only, and links that lead out of the folder are refused.

    Attributes:
        path: the folder.
        config: the settings in ``config.toml``.
        manifest: the provenance in ``manifest.json``.
        trusted: whether code that its settings name as the model may be run: it was made here, or the user vouches for it.
    """

    def __init__(self, path: Path, config: dict[str, Any], manifest: Manifest, *, trusted: bool) -> None:
        self.path = path
        self.config = config
        self.manifest = manifest
        self.trusted = trusted

    @classmethod
    def create(cls, path: Path | None, *, config: Mapping[str, Any], manifest: Mapping[str, Any]) -> Self:
        """Start a run in a new or empty folder.

        Args:
            path: the folder; None for `default_path`.
            config: settings, plain values and tables; keys with None are left out.
            manifest: fields of `Manifest`; versions, platform, time and schema version are filled in.

        Raises:
            RunError: the folder holds files already or cannot be made, or a manifest field is wrong.
        """
        details = Manifest.parse(parse_json(to_json(dict(manifest))), "manifest")
        settings = _without_none(config)
        if path is None:
            label = details.command if details.command != "evolve" else setting_name(settings, "encoding") or "evolve"
            path = default_path(details.model, label)
        path = Path(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not _is_unused(path):
                raise RunError(
                    f"{path} already holds files; choose another --out or continue it with `neatfool resume`."
                )
            (path / "checkpoint").mkdir(exist_ok=True)
            (path / "images").mkdir(exist_ok=True)
        except FileExistsError as error:
            raise RunError(f"{path} is a file; choose another --out.") from error
        except OSError as error:
            raise RunError(f"The folder {path} cannot be made: {error.strerror or error}.") from error
        text = tomli_w.dumps(settings)
        with replacing(path / CONFIG) as temporary:
            temporary.write_text(text, encoding="utf-8")
        mark_as_own(path, settings)
        # Last, because a folder with a manifest is a run.
        details.write(path / MANIFEST)
        return cls(path, tomllib.loads(text), details, trusted=True)

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether there is a run in a folder, finished or not."""
        return (path / MANIFEST).exists()

    @classmethod
    def open(cls, path: Path, *, trust: bool = False) -> Self:
        """Open the run in a folder.

        Args:
            path: the folder.
            trust: run the code that its settings name as the model, whoever made it.

        Raises:
            RunError: there is no such folder, it holds no run, or a file of it is broken or from a newer neatfool.
        """
        path = Path(path)
        if not path.exists():
            raise RunError(f"There is no run folder {path}.")
        if not path.is_dir() or not cls.exists(path):
            raise RunError(f"{path} is not a run folder: it has no {MANIFEST}.")
        manifest = Manifest.read(_inside(path, MANIFEST))
        config_path = _inside(path, CONFIG)
        try:
            config = tomllib.loads(read_bytes(config_path, CONFIG_LIMIT).decode())
        except (ValueError, RecursionError) as error:
            raise RunError(f"{config_path} is not valid TOML ({error}).") from error
        return cls(path, config, manifest, trusted=trust or is_own(path, config))

    def update_config(self, **changes: Any) -> None:
        """Replace some settings in ``config.toml``, as when a run is given a further target.

        Raises:
            RunError: the file cannot be written.
        """
        text = tomli_w.dumps({**self.config, **_without_none(changes)})
        with replacing(_inside(self.path, CONFIG)) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self.config = tomllib.loads(text)

    @classmethod
    def of(cls, source: RunFolder | Path | str) -> RunFolder:
        """A run folder as it is, or the one at a path.

        Raises:
            RunError: see `open`.
        """
        return source if isinstance(source, RunFolder) else cls.open(Path(source))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing, so that no second process writes it; the lock dies with its process.

        Raises:
            RunError: another process holds the run.
        """
        with held(self.path, lock=_inside(self.path, ".lock"), holder=_inside(self.path, ".holder")):
            # In the folder itself pages may be in the making, which whoever draws them writes without holding it.
            remove_unfinished(self.path, (CONFIG, METRICS, FAILED_BATCH, JUDGEMENT))
            for part in self.path.iterdir():
                if part.is_dir() and not part.is_symlink() and not self.exists(part):
                    remove_unfinished(part)
            yield

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one generation's line; what a crash left of an unfinished line is dropped first."""
        line = to_json(dict(row)).encode() + b"\n"
        path = self.path / METRICS
        # Resolving takes longer than the rest, and this is done every generation.
        if path.is_symlink():
            path = _inside(self.path, METRICS)
        try:
            with path.open("a+b") as file:
                file.truncate(_end_of_last_line(file))
                file.write(line)
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror or error}.") from error

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics, a dictionary per generation; an unfinished last line is left out.

        Raises:
            RunError: the file is too large or a line is not a JSON object.
        """
        return [row for _, row in self._metrics_lines()]

    def _metrics_lines(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Each whole line of the metrics and what it says."""
        path = _inside(self.path, METRICS)
        if not path.exists():
            return
        *lines, _unfinished = read_bytes(path, METRICS_LIMIT).split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                row = parse_json(line)
            except ValueError as error:
                raise RunError(f"{path}, line {number}, is not valid JSON ({error}).") from error
            if not isinstance(row, dict):
                raise RunError(f"{path}, line {number}, is not a JSON object.")
            yield line, row

    def truncate_metrics(self, generation: int) -> None:
        """Drop the lines of later generations than ``generation``, which a resumed run writes again, and of none."""
        path = _inside(self.path, METRICS)
        kept = [
            line + b"\n"
            for line, row in self._metrics_lines()
            if type(row.get("generation")) is int and row["generation"] <= generation
        ]
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join(kept))

    @property
    def has_checkpoint(self) -> bool:
        """Whether a checkpoint was completed."""
        return _inside(self.path, checkpoint.STATE).exists()

    def save_checkpoint(self, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> None:
        """Replace the checkpoint; the old one stays whole until the new one is safely on disk.

        Raises:
            RunError: the file cannot be written.
        """
        checkpoint.save(_inside(self.path, checkpoint.STATE), arrays, metadata)

    def load_checkpoint(self, names: Collection[str] | None = None) -> tuple[checkpoint.Arrays, dict[str, str]]:
        """The arrays and metadata of the checkpoint; with ``names``, only those of these arrays it has.

        Raises:
            RunError: there is no checkpoint, or it is damaged or from a newer neatfool.
        """
        if not self.has_checkpoint:
            raise RunError(f"{self.path} has no checkpoint yet; start the run again in another folder.")
        return checkpoint.load(_inside(self.path, checkpoint.STATE), names)

    def file(self, name: str) -> Path:
        """Where an experiment keeps a file of its own, such as "weights/round-1.safetensors"; its folder is made.

        Raises:
            RunError: a link there leads out of the run folder, or the folder cannot be made.
        """
        path = _inside(self.path, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"The folder {path.parent} cannot be made: {error.strerror or error}.") from error
        return path

    def write_images(
        self, images: Mapping[int, npt.NDArray[np.uint8]], *, label: str | None = None, sync: bool = False
    ) -> None:
        """Replace the images of some classes, one PNG each.

        Args:
            images: class index -> uint8 array (C, H, W) of the manifest's shape.
            label: what kind of further image of the class they are; None for the image of the class.
            sync: whether they must outlive a power cut. Thousands of them would take seconds, and where a checkpoint's
                genomes draw them again there is no need.

        Raises:
            ValueError: a class index, shape or type is wrong.
            RunError: a file cannot be written.
        """
        for class_index, pixels in images.items():
            self._check_class(class_index)
            if pixels.dtype != np.uint8 or pixels.shape != self.manifest.image_shape:
                raise ValueError(
                    f"image of class {class_index} is {pixels.dtype} {pixels.shape}, "
                    f"not uint8 {self.manifest.image_shape}"
                )
            picture = Image.fromarray(pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0).copy())
            with replacing(self.image_path(class_index, label), sync=sync) as temporary:
                picture.save(temporary, "PNG")

    def save_failed_batch(self, images: npt.NDArray[Any]) -> None:
        """Write the images on which a classifier failed, (N, C, H, W), to ``failed_batch.npy``, for people to try.

        Raises:
            RunError: the file cannot be written.
        """
        with replacing(_inside(self.path, FAILED_BATCH)) as temporary, temporary.open("wb") as file:
            np.save(file, images, allow_pickle=False)

    def image_path(self, class_index: int, label: str | None = None) -> Path:
        """Where the image of a class belongs: ``images/<class>.png``, or ``images/<class>-<label>.png``.

        Raises:
            ValueError: the model has no such class, or the label is not a word of letters, digits and dots.
            RunError: a link there leads out of the run folder.
        """
        self._check_class(class_index)
        if label is not None and not re.fullmatch(r"[A-Za-z0-9.]+", label):
            raise ValueError(f"the label {label!r} is not a word of letters, digits and dots")
        name = f"{int(class_index)}" if label is None else f"{int(class_index)}-{label}"
        return _inside(self.path, f"images/{name}.png")

    def image(self, class_index: int, label: str | None = None) -> npt.NDArray[np.uint8]:
        """The image of a class: uint8 (H, W), or (H, W, 3) in colour.

        Raises:
            ValueError: the model has no such class.
            RunError: the file is missing, broken or of another size than the manifest says.
        """
        path = self.image_path(class_index, label)
        channels, height, width = self.manifest.image_shape
        mode = "L" if channels == 1 else "RGB"
        check_file(path, IMAGE_LIMIT)
        try:
            with Image.open(path, formats=["PNG"]) as picture:
                if picture.size != (width, height) or picture.mode != mode:
                    raise RunError(
                        f"{path} is {picture.width} x {picture.height} {picture.mode}, not {width} x {height} {mode}."
                    )
                return np.array(picture)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise RunError(f"{path} is not a readable PNG ({error}).") from error

    def elites(self) -> list[Elite]:
        """The elites of the checkpoint in class order, with their pictures; none without a checkpoint.

        Raises:
            RunError: the checkpoint or a picture is damaged, or contradicts the manifest.
        """
        return elites.read_elites(self).one_by_one()

    def judgement(self) -> Judgement | None:
        """What the judge said of the elites when the run ended; None for a run that has not, or is older than that.

        Raises:
            RunError: the file is damaged or from a newer neatfool.
        """
        return read_judgement(_inside(self.path, JUDGEMENT), len(self.manifest.class_names))

    def save_judgement(self, judgement: Judgement | None) -> None:
        """Replace the judgement, or remove it before elites change.

        Raises:
            RunError: the file cannot be written or removed.
        """
        write_judgement(_inside(self.path, JUDGEMENT), judgement)

    def __repr__(self) -> str:
        begun = "" if self.has_checkpoint else ", nothing saved yet"
        return f"<RunFolder {str(self.path)!r} of {self.manifest.command} against {self.manifest.model}{begun}>"

    def _repr_html_(self) -> str:
        shown = [elite for elite in self.elites() if elite.pixels is not None]
        pictures = [for_looking(elite.pixels[None])[0] for elite in shown if elite.pixels is not None]
        captions = [f"{elite.class_name}, {percent(elite.confidence)}" for elite in shown]
        return f"<p>{html.escape(repr(self))}</p>{gallery_html(pictures, captions)}"

    def _check_class(self, class_index: int) -> None:
        if not 0 <= class_index < len(self.manifest.class_names):
            raise ValueError(f"class {class_index} is out of range: the model has {len(self.manifest.class_names)}")


def _is_unused(path: Path) -> bool:
    """Whether a folder holds nothing but what `create` leaves if it is killed."""
    leftover = {CONFIG, MARK, *(f".{name}.tmp" for name in (CONFIG, MANIFEST, MARK))}
    return all(
        part.name in leftover or (part.name in ("checkpoint", "images") and part.is_dir() and not any(part.iterdir()))
        for part in path.iterdir()
    )


def _inside(root: Path, name: str) -> Path:
    """``root / name``, refused when a link on the way leads out of ``root``."""
    path = root / name
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links
        inside = False
    if not inside:
        raise RunError(f"{path} is a link that leads out of the run folder; replace it by the file itself.")
    return path


def _end_of_last_line(file: io.BufferedRandom) -> int:
    """Offset just after the file's last newline."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 4096)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _without_none(value: Any) -> Any:
    """Plain TOML values: None entries dropped, paths as text, tuples as lists."""
    if isinstance(value, Mapping):
        return {str(key): _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value
