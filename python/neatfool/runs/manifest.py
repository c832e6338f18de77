"""What a run was made with: the content of ``manifest.json``."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from neatfool.errors import RunError
from neatfool.shared.files import MIB, parse_json, read_bytes, replacing, to_json

SCHEMA_VERSION = 2
"""Version of the run folder's files. It grows when an older neatfool could no longer read them."""

MANIFEST_LIMIT = 16 * MIB
COMMAND_LINE_LIMIT = 10_000

_Text = Annotated[str, Field(max_length=1000)]
_Side = Annotated[int, Field(ge=1, le=8192)]


class Manifest(BaseModel):
    """What a run was made with.

    Attributes:
        command: the command that made the run: "evolve", "ascend", ...
        model: name of the classifier.
        class_names: names of all the classes the classifier knows, by index.
        image_shape: (channels, height, width) of the run's images; channels is 1 or 3.
        preprocessing: how images are scaled and normalised for the classifier.
        weights_hash: hash of the classifier's weights; None for another kind of judge.
        fingerprint: see `Classifier.fingerprint`; None for another kind of judge, and in runs of schema 1.
        command_line: a shell command that repeats the run, where ``config.toml`` alone does not say it.
        versions: version of neatfool, python, torch and numpy.
        platform: operating system and processor.
        created: UTC time of creation, ISO 8601.
        schema_version: version of the folder's files, see SCHEMA_VERSION.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Annotated[int, Field(ge=1)] = SCHEMA_VERSION
    command: _Text
    model: _Text
    class_names: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=100_000)]
    image_shape: tuple[Literal[1, 3], _Side, _Side]
    preprocessing: dict[str, Any] = Field(default_factory=dict)
    weights_hash: _Text | None = None
    fingerprint: _Text | None = None
    command_line: Annotated[str, Field(max_length=COMMAND_LINE_LIMIT)] | None = None
    versions: dict[str, _Text] = Field(
        default_factory=lambda: {
            "neatfool": _version("neatfool"),
            "python": platform.python_version(),
            "torch": _version("torch"),
            "numpy": _version("numpy"),
        }
    )
    platform: _Text = Field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    created: _Text = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def exclusive(self) -> bool:
        """Whether the confidences of an image add up to 1: those of every classifier do, those of another judge need not."""
        return self.weights_hash is not None

    @model_validator(mode="after")
    def _one_size(self) -> "Manifest":
        """The two places that state the size agree: a size that nothing bears out costs minutes and gigabytes to draw."""
        size = self.preprocessing.get("image_size")
        if size is not None and (size != list(self.image_shape[1:]) and size != tuple(self.image_shape[1:])):
            raise ValueError("image_shape is not the image_size of the preprocessing")
        return self

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str) -> "Manifest":
        """A manifest of ``values``; raises RunError, naming ``source`` and the field, when one is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise RunError(f"{source}: {field or 'manifest'}: {first['msg']}.") from error

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """The manifest in the file ``path``; raises RunError if it is missing, broken or from a newer neatfool."""
        try:
            values = parse_json(read_bytes(path, MANIFEST_LIMIT))
        except ValueError as error:
            raise RunError(f"{path} is not valid JSON ({error}).") from error
        if not isinstance(values, dict):
            raise RunError(f"{path} holds no JSON object.")
        check_schema_version(values.get("schema_version"), path)
        return cls.parse(values, str(path))

    def write(self, path: Path) -> None:
        """Write the manifest to the file ``path``, atomically."""
        text = to_json(self.model_dump(exclude_none=True), indent=2)
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def check_schema_version(version: object, path: Path) -> None:
    """Raise RunError unless ``version``, read from ``path``, is one this neatfool reads."""
    if not isinstance(version, int) or version < 1:
        raise RunError(f"{path} has no schema version; it was not written by neatfool.")
    if version > SCHEMA_VERSION:
        raise RunError(
            f"{path} was written by a newer neatfool (schema {version}, this one reads up to {SCHEMA_VERSION}); "
            "upgrade neatfool to read it."
        )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
