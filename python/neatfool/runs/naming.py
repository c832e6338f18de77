"""What run folders and their settings are called."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def default_path(model: str, label: str) -> Path:
    """A new folder name: ``runs/<model>-<label>-<UTC time>``; ``label`` is the encoding or the command."""
    stem = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", part).strip("-.")[:60] or "run" for part in (model, label))
    base = Path("runs") / f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    path, count = base, 1
    while path.exists():
        count += 1
        path = base.with_name(f"{base.name}-{count}")
    return path


def setting_name(config: Mapping[str, Any], key: str) -> str | None:
    """A setting as one word: its text, or the ``name`` of its table; None if the settings lack it."""
    value = config.get(key)
    if isinstance(value, Mapping):
        value = value.get("name")
    return None if value is None else str(value)
