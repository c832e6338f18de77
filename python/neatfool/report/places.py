"""What a file to be passed on says of where files lie here: nothing."""

import re
from collections.abc import Mapping
from typing import Any

_ABSOLUTE = re.compile(r"(?:(?<=^)|(?<=[\s='\"]))(?:/|[A-Za-z]:\\)(?:[^\s'\"]*[/\\])?([^\s'\"/\\]+)")


def without_places(text: str) -> str:
    """A text with the last part alone of each path that begins at the root."""
    return _ABSOLUTE.sub(lambda found: found[1], text)


def settings_without_places(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose texts are `without_places`."""
    return {
        key: settings_without_places(value)
        if isinstance(value, Mapping)
        else without_places(value)
        if isinstance(value, str)
        else value
        for key, value in settings.items()
    }
