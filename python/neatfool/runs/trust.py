"""Whether a run folder may name code as its model: one that was made here may, or one that the user vouches for."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neatfool.errors import RunError
from neatfool.models.naming import runs_code
from neatfool.shared.files import read_bytes, replacing

_KEY_BYTES = 32
MARK = ".own"


def names_code(config: Mapping[str, Any]) -> str | None:
    """What settings name as their models that can run code, such as `package.module:factory`; None if they name none."""
    models = [config.get(key) for key in ("model", "other")]
    names = [str(model.get("name")) for model in models if isinstance(model, Mapping)]
    return " ".join(name for name in names if runs_code(name)) or None


def mark_as_own(folder: Path, config: Mapping[str, Any]) -> None:
    """Leaves a mark in a folder made here that names code, which nobody can leave who lacks this user's key."""
    code = names_code(config)
    key = _key(make=True) if code else None
    if code and key:
        with replacing(folder / MARK) as temporary:
            temporary.write_text(_mark(key, folder, code))


def is_own(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the mark in a folder is of this user, this place and the code that its settings name now."""
    code, key, mark = names_code(config), _key(make=False), folder / MARK
    if code is None or key is None or not mark.is_file():
        return False
    try:
        found = read_bytes(mark, 100)
    except RunError:
        return False
    return hmac.compare_digest(found, _mark(key, folder, code).encode())


def _mark(key: bytes, folder: Path, code: str) -> str:
    return hmac.new(key, f"{folder.resolve()}\0{code}".encode(), hashlib.sha256).hexdigest()


def _key(*, make: bool) -> bytes | None:
    """This user's key; None where there is none and none can be kept."""
    try:
        state = os.environ.get("XDG_STATE_HOME")
        path = (Path(state) if state else Path.home() / ".local/state") / "neatfool/key"
        if make and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.touch(0o600)
                temporary.write_bytes(secrets.token_bytes(_KEY_BYTES))
        key = path.read_bytes()
    except (OSError, RuntimeError, RunError):  # no home, or none that can be written
        return None
    return key if len(key) == _KEY_BYTES else None
