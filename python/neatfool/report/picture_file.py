"""Pictures that carry what draws them: genomes, the classifier they fool, and the command that found them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neatfool import __version__
from neatfool.classifiers import find_class
from neatfool.encodings import ENCODINGS, Population, genome_from_json, genome_to_json
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.report.notes import NOTE_LIMIT, read_note
from neatfool.report.places import settings_without_places, without_places
from neatfool.runs import Elites, RunFolder
from neatfool.search import PRESETS, EvolveConfig, build_config
from neatfool.shared.files import parse_json, to_json

SCHEMA = 1
"""Grows when an older neatfool could no longer read it."""

_Text = Annotated[str, Field(max_length=1000)]
_Side = Annotated[int, Field(strict=True, ge=1, le=8192)]


class PictureElite(BaseModel):
    """One image that a picture shows.

    Attributes:
        class_index: the class it was evolved for.
        class_name: its name.
        confidence: of the classifier in it, in [0, 1].
        genome: what draws it, as JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    class_index: Annotated[int, Field(alias="class", strict=True, ge=0, lt=100_000)]
    class_name: _Text
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    genome: dict[str, Any]


class PictureNote(BaseModel):
    """What a picture carries.

    Attributes:
        format_name: "neatfool-picture".
        version: of the format.
        neatfool: the version that wrote it.
        model: name of the classifier.
        fingerprint: see `Classifier.fingerprint`; None for another kind of judge.
        command: what makes the run; None where its settings cannot be said in flags.
        settings: of the run, those of its encoding among them; paths have only their last part.
        image_shape: (channels, height, width) of the images that the classifier saw.
        elites: the images, as they stand on the picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    format_name: Annotated[Literal["neatfool-picture"], Field(alias="format")] = "neatfool-picture"
    version: Annotated[int, Field(alias="schema", strict=True, ge=SCHEMA, le=SCHEMA)] = SCHEMA
    neatfool: _Text = __version__
    model: _Text
    fingerprint: _Text | None = None
    command: Annotated[str, Field(max_length=10_000)] | None = None
    settings: dict[str, Any]
    image_shape: tuple[Literal[1, 3], _Side, _Side]
    elites: Annotated[tuple[PictureElite, ...], Field(min_length=1, max_length=100_000)]

    @classmethod
    def of_run(cls, folder: RunFolder, elites: Elites, rows: Iterable[int]) -> Self | None:
        """A note of a run's elites in this order: as many of the first as it has room for; None if there are no genomes."""
        genomes = elites.genomes
        if genomes is None:
            return None
        room, chosen = NOTE_LIMIT // 2, []
        for row in rows:
            genome = genome_to_json(genomes, row)
            room -= len(to_json(genome))
            if room < 0:
                break
            chosen.append(
                PictureElite(
                    class_index=int(elites.classes[row]),
                    class_name=elites.class_names[row],
                    confidence=float(str(elites.confidence[row])),
                    genome=genome,
                )
            )
        if not chosen:
            return None
        manifest = folder.manifest
        return cls(
            model=without_places(manifest.model),
            fingerprint=manifest.fingerprint,
            command=_command(folder.config) if manifest.command == "evolve" else None,
            settings=settings_without_places(folder.config),
            image_shape=manifest.image_shape,
            elites=tuple(chosen),
        )

    def to_json(self) -> str:
        """The text that the file carries."""
        return to_json(self.model_dump(by_alias=True, mode="json"))

    def only(self, elite: PictureElite) -> Self:
        """The same of one elite."""
        return self.model_copy(update={"elites": (elite,)})


class PictureFile:
    """A picture that neatfool wrote and anybody may have changed.

    Attributes:
        path: the file.
        note: what it carries.
    """

    def __init__(self, path: Path, note: PictureNote) -> None:
        self.path = path
        self.note = note

    @classmethod
    def open(cls, path: Path) -> Self:
        """Reads what a picture carries; its pixels are left alone.

        Raises:
            RunError: the file cannot be read, is no picture of neatfool, is damaged, or from a newer neatfool.
        """
        try:
            text = read_note(path)
            if text is None:
                raise RunError(
                    f"{path} carries no genome; give a .png or .webp that `neatfool render` or `poster` wrote, unchanged by "
                    "other programs, or the run folder."
                )
            values = parse_json(text)
            if isinstance(values, dict) and isinstance(schema := values.get("schema"), int) and schema > SCHEMA:
                raise RunError(
                    f"{path} was written by a newer neatfool (schema {schema}); upgrade neatfool to read it."
                )
            return cls(path, PictureNote.model_validate(values))
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror or error}.") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the text"
            raise RunError(f"{path} carries no genome that can be read ({where}: {first['msg']}).") from error
        except ValueError as error:
            raise RunError(f"{path} carries no genome that can be read ({error}).") from error

    def summary(self) -> dict[str, Any]:
        """What the picture shows, ready for JSON."""
        return {
            "picture": str(self.path),
            **self._made(),
            "elites": [elite.model_dump(by_alias=True, exclude={"genome"}) for elite in self.note.elites],
        }

    def describe(self, elite: PictureElite) -> dict[str, Any]:
        """One image with its genome, ready for JSON.

        Raises:
            RunError: it is no genome, or of an encoding that is not installed.
        """
        self.genome(elite)
        return {"picture": str(self.path), **self._made(), **elite.model_dump(by_alias=True)}

    def _made(self) -> dict[str, Any]:
        note = self.note
        return {
            "model": note.model,
            "fingerprint": note.fingerprint,
            "neatfool": note.neatfool,
            "command": note.command,
            "settings": note.settings,
            "image_shape": list(note.image_shape),
        }

    def elite(self, class_name: str | int | None) -> PictureElite:
        """The image of a class; where there is but one, no class need be named.

        Raises:
            ModelError: no image, or several, are called so, or none is named where there are several.
        """
        elites = self.note.elites
        if class_name is None:
            if len(elites) > 1:
                raise ModelError(f"{self.path} shows {len(elites)} images; name the class of one with --class.")
            return elites[0]
        wanted = str(class_name).strip()
        if wanted.isdecimal():
            found = [elite for elite in elites if elite.class_index == int(wanted)]
            if not found:
                raise ModelError(f"{self.path} shows no image of class {wanted}.")
            return found[0]
        return elites[find_class([elite.class_name for elite in elites], wanted, model=str(self.path))]

    def genome(self, elite: PictureElite) -> Population:
        """What draws an image: a batch of one.

        Raises:
            RunError: it is no genome, or of an encoding that is not installed.
        """
        try:
            encoding = ENCODINGS.parse(self.note.settings.get("encoding", {}))
            return genome_from_json(encoding, elite.genome, shape=self.note.image_shape)
        except (ConfigError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise RunError(f"{self.path} carries no genome that can be drawn ({error}).") from error


def _command(settings: Mapping[str, Any]) -> str | None:
    """A command that makes a run of these settings; None where there are no flags for one of them."""
    try:
        config = build_config(settings)
    except (ConfigError, ModelError):
        return None
    presets: dict[str, Mapping[str, Any]] = {"": {}, **PRESETS}
    for preset, base in presets.items():
        flags = _flags(build_config(base), config)
        if flags is not None:
            named = ["--preset", preset] if preset else []
            return without_places(shlex.join(["neatfool", "evolve", *named, *flags]))
    return None


def _flags(base: EvolveConfig, config: EvolveConfig) -> list[str] | None:
    """What has to be said beyond `base`; None if it cannot be."""
    flags: list[str] = []
    model, own = config.model, base.model
    for name, value, unsaid in (
        ("--model", model.name, own.name),
        ("--weights", model.weights, own.weights),
        ("--labels", model.labels, own.labels),
        ("--crops", model.crops, own.crops),
        ("--backend", model.backend, own.backend),
        ("--precision", model.precision, own.precision),
        ("--encoding", config.encoding.name, base.encoding.name),
        ("--strategy", config.strategy.name, base.strategy.name),
        ("--generations", config.generations, base.generations),
        ("--batch", config.batch, base.batch),
        ("--seed", config.seed, base.seed),
        ("--classes", config.classes, base.classes),
        ("--screen", config.screen, base.screen),
    ):
        if value == unsaid:
            continue
        if not isinstance(value, str | int):
            return None
        flags += [name, str(value)]
    if config.allow_noise and not base.allow_noise:
        flags.append("--allow-noise")
    said: dict[str, Any] = {
        key: getattr(config, key)
        for key in ("model", "generations", "batch", "seed", "classes", "allow_noise", "screen")
    }
    kinds = {key: {"name": getattr(config, key).name} for key in ("encoding", "strategy")}
    layers = base.model_dump(exclude_defaults=True)
    return flags if _settled(build_config(layers, kinds, said)) == _settled(config) else None


def _settled(config: EvolveConfig) -> EvolveConfig:
    """As a run has them once it is begun."""
    return config.model_copy(update={"start": config.batch if config.start is None else config.start})
