"""The settings of a run, their presets, and how they are read from a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from neatfool.classifiers.backends import Backend, Precision
from neatfool.encodings import Cppn, Direct
from neatfool.errors import ConfigError

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_MAX_CONFIG_BYTES = 1_000_000

_Settings = TypeVar("_Settings", bound=BaseModel)


class ModelConfig(BaseModel):
    """Which classifier is fooled, in the words of `load_classifier`."""

    model_config = _FROZEN

    name: str = "lenet-mnist"
    weights: str | None = None
    device: str = "auto"
    crops: Literal[1, 10] = 1
    backend: Backend = "torch"
    precision: Precision = "float32"


class MapElites(BaseModel):
    """MAP-Elites over classes (paper section 2.2; Mouret & Clune 2015): one cell a class, each child tried on every cell."""

    model_config = _FROZEN

    name: Literal["map-elites"] = "map-elites"


class Neat(BaseModel):
    """NEAT (Stanley & Miikkulainen 2002): one speciated population a class, with crossover by historical markings.

    Attributes:
        target_species: number of species the compatibility threshold is steered towards, in each population.
        excess_coefficient: weight of excess genes in the compatibility distance.
        disjoint_coefficient: weight of disjoint genes.
        weight_coefficient: weight of the mean weight difference of matching genes (weights lie in [-10, 10]).
        activation_coefficient: weight of the share of common nodes whose activations differ.
        initial_threshold: compatibility threshold of the first generation.
        stagnation: generations without a better champion after which a species gets no more offspring.
        species_elitism: number of best species that stagnation spares.
        elitism_size: species of at least this many members keep their champion unchanged.
        survival: best share of a species that may become parents.
        crossover_rate: chance that a child has two parents.
        interspecies_rate: chance that the second parent is of another species.
    """

    model_config = _FROZEN

    name: Literal["neat"] = "neat"
    target_species: int = Field(default=4, ge=1)
    excess_coefficient: float = Field(default=1.0, ge=0)
    disjoint_coefficient: float = Field(default=1.0, ge=0)
    weight_coefficient: float = Field(default=0.1, ge=0)
    activation_coefficient: float = Field(default=0.5, ge=0)
    initial_threshold: float = Field(default=1.0, gt=0)
    stagnation: int = Field(default=15, ge=1)
    species_elitism: int = Field(default=1, ge=0)
    elitism_size: int = Field(default=1, ge=1)
    survival: float = Field(default=0.3, gt=0, le=1)
    crossover_rate: float = Field(default=0.5, ge=0, le=1)
    interspecies_rate: float = Field(default=0.01, ge=0, le=1)


EncodingConfig = Annotated[Cppn | Direct, Field(discriminator="name")]
StrategyConfig = Annotated[MapElites | Neat, Field(discriminator="name")]


class EvolveConfig(BaseModel):
    """Everything that determines the result of a run.

    Attributes:
        generations: generations after the random start (generation 0).
        start: random individuals in generation 0; None is the batch.
        batch: children of each generation; None is 200 for up to 100 classes, else 400.
        seed: the same seed gives the same run.
        classes: class indices or names to evolve for, as in "0-4,9,goldfish"; None is all.
    """

    model_config = _FROZEN

    model: ModelConfig = ModelConfig()
    encoding: EncodingConfig = Cppn()
    strategy: StrategyConfig = MapElites()
    generations: int = Field(default=200, ge=0, le=10_000_000)
    start: int | None = Field(default=None, ge=1, le=1_000_000)
    batch: int | None = Field(default=None, ge=1, le=1_000_000)
    seed: int = Field(default=0, ge=0, lt=2**64)
    classes: str | None = None

    @model_validator(mode="after")
    def _strategy_fits_encoding(self) -> EvolveConfig:
        if self.strategy.name == "neat" and self.encoding.name != "cppn":
            raise ValueError("the neat strategy evolves network topologies, so it needs the cppn encoding")
        return self


_PAPER_CPPN = {"name": "cppn", "coordinates": "pixel", "initial_mutations": 0}
_PAPER_DIRECT = {"name": "direct"}
_IMAGENET = {"crops": 10}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper-mnist": {"encoding": _PAPER_CPPN, "start": 200, "batch": 200, "generations": 200},
    "paper-mnist-direct": {"encoding": _PAPER_DIRECT, "start": 200, "batch": 200, "generations": 200},
    "paper-imagenet": {
        "model": {"name": "alexnet", **_IMAGENET},
        "encoding": _PAPER_CPPN,
        "start": 400,
        "batch": 400,
        "generations": 5000,
    },
    "paper-imagenet-direct": {
        "model": {"name": "alexnet", **_IMAGENET},
        "encoding": {**_PAPER_DIRECT, "halve_every": 1000},
        "start": 200,
        "batch": 200,
        "generations": 20000,
    },
}
"""The paper's settings, as its published program had them."""


def read_config(path: Path) -> dict[str, Any]:
    """Reads a config file.

    Raises:
        ConfigError: the file is missing, too large or not TOML.
    """
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise ConfigError(f"The config file {path} is larger than 1 MB; pass the config.toml of a run.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The config file {path} cannot be read ({error.strerror}); check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The config file {path} is not valid TOML ({error}); mend that line.") from error


def build_config(*layers: Mapping[str, Any]) -> EvolveConfig:
    """Merges nested settings, later layers over earlier ones, and checks them.

    A layer that names another encoding or strategy than the layers below replaces their settings for it.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            if isinstance(value, Mapping) and isinstance(below, Mapping):
                renamed = key != "model" and value.get("name", below.get("name")) != below.get("name")
                merged[key] = dict(value) if renamed else {**below, **value}
            else:
                merged[key] = value
    return check_settings(EvolveConfig, merged)


def check_settings(kind: type[_Settings], values: Mapping[str, Any]) -> _Settings:
    """Settings of some kind from plain values.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> ConfigError:
    """The first thing wrong with some settings, as one sentence."""
    first = error.errors()[0]
    tags = {"cppn", "direct", "map-elites", "neat"}
    where = ".".join(str(part) for part in first["loc"] if part not in tags)
    reason = first["msg"].removeprefix("Value error, ")
    what = f"The setting {where}" if where else "The settings"
    given = f" (it is {first['input']!r})" if where and not isinstance(first["input"], Mapping) else ""
    return ConfigError(f"{what} cannot be used{given}: {reason[:1].lower()}{reason[1:]}.")
