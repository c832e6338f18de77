"""Settings: frozen, checked when made, and found again by their name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from contextvars import ContextVar
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from neatfool.errors import ConfigError

_inside: ContextVar[bool] = ContextVar("inside", default=False)


class Settings(BaseModel):
    """Base class of all settings. What is unknown or out of range raises `ConfigError`, one sentence naming it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)

    def __init__(self, **values: Any) -> None:
        # Settings inside others leave it to the outermost to say where in them the fault is.
        outermost = not _inside.get()
        token = _inside.set(True)
        try:
            super().__init__(**values)
        except ValidationError as error:
            if outermost:
                raise ConfigError(_sentence(error)) from error
            raise
        finally:
            _inside.reset(token)


S = TypeVar("S", bound=Settings)


def check_settings(kind: type[S], values: Mapping[str, Any]) -> S:
    """Settings of some kind from plain values, which may come from a file.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"A table of settings is needed, not {str(values)[:100]!r}.")
    return kind(**{str(name): value for name, value in values.items()})


class Registry(Generic[S]):
    """Kinds of settings that a configuration names: those of this package, of installed packages, and a program's own.

    Args:
        group: entry points by which installed packages offer theirs, as in `checkers = "mypackage:Checkers"`.
        what: what a kind is called in messages.
        default: the name that settings without one have.
    """

    def __init__(self, group: str, what: str, *, default: str) -> None:
        self.default = default
        self._group = group
        self._what = what
        self._kinds: dict[str, type[S]] = {}

    def register(self, kind: type[S]) -> type[S]:
        """Makes a kind known by the default of its field `name`; a class decorator.

        Raises:
            ConfigError: it has no name, or another kind has the same.
        """
        field = kind.model_fields.get("name") if issubclass(kind, Settings) else None
        name = field.default if field else None
        if not isinstance(name, str):
            raise ConfigError(
                f"The {self._what} {kind.__name__} has no name; derive it from neatfool.Settings and give it a field "
                'name: str = "...".'
            )
        known = self._kinds.get(name)
        # A class that is defined again, as in a notebook's cell, replaces itself.
        if known is not None and known.__qualname__ != kind.__qualname__:
            raise ConfigError(f"There is an {self._what} {name!r} already; give {kind.__name__} another name.")
        self._kinds[name] = kind
        return kind

    def names(self) -> list[str]:
        """All names known here, sorted."""
        return sorted({*self._kinds, *(point.name for point in entry_points(group=self._group))})

    def find(self, name: str) -> type[S]:
        """The kind of a name.

        Raises:
            ConfigError: there is none, or the package that offers it cannot be imported.
        """
        if name not in self._kinds:
            for point in entry_points(group=self._group, name=name):
                try:
                    self._kinds[name] = point.load()
                except Exception as error:
                    raise ConfigError(
                        f"The {self._what} {name!r} of {point.value} cannot be imported ({error})."
                    ) from error
        if name not in self._kinds:
            close = difflib.get_close_matches(name, self.names(), n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise ConfigError(
                f"There is no {self._what} {name!r} here, only {', '.join(self.names())}{hint}; install the package that "
                "offers it, or import the module that registers it."
            )
        return self._kinds[name]

    def parse(self, value: object) -> S:
        """Settings from a name, from a table with a name, or as they are.

        Raises:
            ConfigError: the name is unknown, a setting is out of range, or the settings could not be found again by their name.
        """
        if isinstance(value, str):
            return self.find(value)()
        if isinstance(value, Mapping):
            # Within other settings a fault is theirs to report, with the place.
            return self.find(str(value.get("name", self.default)))(**value)
        name = getattr(value, "name", None)
        if not isinstance(value, Settings) or not isinstance(name, str):
            raise ConfigError(
                f"{value!r} is no {self._what}; choose {', '.join(self.names())}, or settings such as these have."
            )
        if not isinstance(value, self.find(name)):
            raise ConfigError(
                f"{type(value).__name__} is not what the {self._what} {name!r} stands for, so a run with it could not be "
                "resumed; give it a name of its own and register it."
            )
        return value


def _sentence(error: ValidationError) -> str:
    """The first thing wrong with some settings, as one sentence."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    what = f"The setting {where}" if where else "The settings"
    given = f" (it is {_shown(first['input'])})" if where and not isinstance(first["input"], Mapping) else ""
    return f"{what} cannot be used{given}: {reason[:1].lower()}{reason[1:]}."


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
