"""Files of class names, one a line."""

import os
from collections.abc import Sequence
from pathlib import Path

from neatfool.errors import ModelError, RunError
from neatfool.shared.files import MIB, read_bytes

Labels = str | os.PathLike[str] | Sequence[str] | None
"""The path of a file of class names, or the names themselves."""

_LIMIT = 16 * MIB


def read_labels(labels: str | os.PathLike[str] | Sequence[str]) -> list[str]:
    """The class names in a text file, one a line, in the order of the classes; lines without text are skipped.

    Args:
        labels: The file's path; names are returned as they are.

    Raises:
        ModelError: The file cannot be read, or there are no names in it.
    """
    if not isinstance(labels, str | os.PathLike):
        names = [str(name) for name in labels]
        where = "The list of class names"
    else:
        where = str(labels)
        if not Path(labels).is_file():
            raise ModelError(f"There is no file of class names {where}; check the path given as labels.")
        try:
            text = read_bytes(Path(labels), _LIMIT).decode("utf-8-sig")
        except (RunError, UnicodeDecodeError) as error:
            raise ModelError(
                f"The class names in {where} cannot be read ({error}); write a UTF-8 text file with one name a line."
            ) from error
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise ModelError(f"{where} names no class; write one name a line.")
    return names
