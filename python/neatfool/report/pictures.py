"""Where the pictures of a page are: in it, or in a folder beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neatfool.shared.files import make_folder, replacing, to_json

Keep = Callable[[str, bytes, str], str]
"""Takes a name, an encoded picture and its kind, "png" or "webp", and returns the picture's address on the page.

`neatfool.figures.tiles.encoded_uri` without the name keeps it in the page itself; a `PictureFolder` beside it.
"""


class PictureFolder:
    """A folder beside a page, for pictures and what else is loaded when it is looked at.

    Attributes:
        name: of the folder, as addresses have it.
    """

    def __init__(self, path: Path) -> None:
        """Makes the folder.

        Raises:
            RunError: it cannot be made.
        """
        make_folder(path)
        self.name = quote(path.name)
        self._path = path

    def __call__(self, name: str, encoded: bytes, kind: str) -> str:
        """See `Keep`.

        Raises:
            RunError: the file cannot be written.
        """
        self._write(f"{name}.{kind}", encoded)
        return f"{self.name}/{name}.{kind}"

    def keep_entry(self, anchor: str, entry: dict[str, Any]) -> None:
        """Write what a large view shows as a script, because a page that was opened as a file may not read others.

        Raises:
            RunError: the file cannot be written.
        """
        self._write(f"{anchor}.js", f"receive({to_json(anchor)}, {to_json(entry)});\n".encode())

    def _write(self, name: str, content: bytes) -> None:
        # Thousands of files; they can be made again.
        with replacing(self._path / name, sync=False) as temporary:
            temporary.write_bytes(content)
