"""The settings of a run, and how they are read from a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, SkipValidation, field_validator, model_validator

from neatfool.encodings import ENCODINGS, Cppn, Encoding
from neatfool.errors import ConfigError
from neatfool.models import ModelConfig
from neatfool.runs import is_own, names_code
from neatfool.search.ahead import MOST_AHEAD
from neatfool.search.objective import OBJECTIVES, Confidence, Objective
from neatfool.search.screening import RoughPrecision
from neatfool.search.search import check_fit
from neatfool.search.strategies import PatternElites
from neatfool.search.strategy import STRATEGIES, StrategySettings
from neatfool.shared.settings import Settings, check_settings

_MAX_CONFIG_BYTES = 1_000_000
_PLAIN = PlainSerializer(lambda settings: settings.model_dump())
_REGISTRIES = {"encoding": ENCODINGS, "strategy": STRATEGIES, "objective": OBJECTIVES}


class EvolveConfig(Settings):
    """Everything that determines the result of a run.

    Attributes:
        model: the classifier.
        encoding: what genomes are: settings, a table with their name, or the name.
        strategy: how they are found, in the same ways.
        objective: what elites are chosen by, in the same ways.
        generations: generations after the random start (generation 0).
        start: random individuals in generation 0; None is the batch.
        batch: children of each generation; None is what suits the strategy.
        seed: the same seed gives the same run.
        classes: class indices or names to evolve for, as in "0-4,9,goldfish"; None is all.
        allow_noise: take a judge that is no function of the image: every new elite is judged again, and the mean kept.
        screen: what everybody is judged in first, fast and roughly; those that may become elites are judged again in float32.
        ahead: generations that are bred before the one before them is judged, so that workers never wait.
    """

    model: ModelConfig = ModelConfig()
    encoding: Annotated[SkipValidation[Encoding], BeforeValidator(ENCODINGS.parse), _PLAIN] = Cppn()
    strategy: Annotated[SkipValidation[StrategySettings], BeforeValidator(STRATEGIES.parse), _PLAIN] = PatternElites()
    objective: Annotated[SkipValidation[Objective], BeforeValidator(OBJECTIVES.parse), _PLAIN] = Confidence()
    generations: int = Field(default=200, ge=0, le=2_000_000)  # whose metrics.jsonl is as long as one may be
    start: int | None = Field(default=None, ge=1, le=1_000_000)
    batch: int | None = Field(default=None, ge=1, le=1_000_000)
    seed: int = Field(default=0, ge=0, lt=2**64)
    classes: str | None = None
    allow_noise: bool = False
    screen: RoughPrecision | None = None
    ahead: int = Field(default=0, ge=0, le=MOST_AHEAD)

    @field_validator("classes")
    @classmethod
    def _some_classes(cls, classes: str | None) -> str | None:
        if classes is not None and not classes.strip(" ,"):
            raise ValueError("it names no class; leave it out to evolve for all")
        return classes

    @model_validator(mode="after")
    def _strategy_fits_encoding(self) -> EvolveConfig:
        check_fit(self.strategy, self.encoding, ahead=self.ahead)
        return self

    @model_validator(mode="after")
    def _screen_fits(self) -> EvolveConfig:
        if self.screen and self.objective.name != Confidence().name:
            raise ValueError(
                f"screening compares confidences, so it does not fit the objective {self.objective.name}; leave out screen"
            )
        if self.screen and self.allow_noise:
            raise ValueError("screening takes a judge that is a function of the image; leave out screen or allow_noise")
        if self.screen and self.ahead:
            raise ValueError(
                "generations ahead are for workers, and screening is for this process; leave out ahead or screen"
            )
        return self


def read_config(path: Path, *, trust: bool = True) -> dict[str, Any]:
    """Reads a config file.

    Args:
        path: the file.
        trust: whether it may name code, such as `package.module:factory`, as its model; that of a run made here always may.

    Raises:
        ConfigError: the file is missing, too large or not TOML, or names code.
    """
    settings = _read_toml(path)
    code = names_code(settings)
    if code and not trust and not is_own(path.parent, settings):
        raise ConfigError(
            f"The config file {path} names {code} as its model, and loading that can run code; if you know where the file "
            "comes from, pass --trust."
        )
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise ConfigError(f"The config file {path} is larger than 1 MB; pass the config.toml of a run.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The config file {path} cannot be read ({error.strerror}); check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"The config file {path} is not valid TOML ({error}); mend that line.") from error


def build_config(*layers: Mapping[str, Any]) -> EvolveConfig:
    """Merges nested settings, later layers over earlier ones, and checks them.

    A layer that names another encoding, strategy or objective than the layers below replaces their settings for it.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            if isinstance(value, Mapping) and isinstance(below, Mapping) and _same_kind(key, value, below):
                merged[key] = {**below, **value}
            else:
                merged[key] = value
    return check_settings(EvolveConfig, merged)


def _same_kind(key: str, above: Mapping[str, Any], below: Mapping[str, Any]) -> bool:
    """Whether one layer's settings go on top of another's rather than in their place."""
    registry = _REGISTRIES.get(key)
    if registry is None:
        return True
    name = below.get("name", registry.default)
    return bool(above.get("name", name) == name)
