"""One process at a time writes a run folder, and clears away what a killed one left."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from neatfool.errors import RunError
from neatfool.shared.files import read_bytes, replacing

# What `replacing` and safetensors call a file until it is whole.
_UNFINISHED = re.compile(r"\..+\.tmp|\.tmp[A-Za-z0-9]{6}")


@contextmanager
def held(root: Path, *, lock: Path, holder: Path) -> Iterator[None]:
    """Holds a folder for writing; the lock dies with its process.

    Args:
        root: the folder.
        lock: the file that is locked.
        holder: the file that says who holds it; on some systems nobody else can read a locked file.

    Raises:
        RunError: another process holds it.
    """
    file = FileLock(lock, timeout=0)
    try:
        file.acquire()
    except Timeout as error:
        process = read_bytes(holder, 20).decode("ascii", "replace").strip() if holder.exists() else "unknown"
        raise RunError(f"{root} is being written by process {process}; wait for it or stop it first.") from error
    except OSError as error:
        raise RunError(f"{lock} cannot be opened: {error.strerror or error}.") from error
    try:
        with replacing(holder, sync=False) as temporary:
            temporary.write_text(f"{os.getpid()}\n")
        yield
    finally:
        file.release()


def remove_unfinished(folder: Path, names: Collection[str] | None = None) -> None:
    """Removes the temporary files of writes that were killed; links are neither followed nor removed.

    Args:
        folder: where they lie.
        names: the files that were to be written; all if None.
    """
    for path in folder.iterdir():
        ours = _UNFINISHED.fullmatch(path.name) if names is None else path.name in {f".{name}.tmp" for name in names}
        if ours and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)
