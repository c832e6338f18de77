"""Names of folders for classes, which may be called anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

_OTHER = re.compile(r"[^\w ,.()'+&-]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What Windows takes for devices."""

_LONGEST = 50
"""Letters; four bytes each still leave room in the 255 of a file name."""


def folder_names(labels: Mapping[int, str]) -> dict[int, str]:
    """A folder name for each label, all different on every system: the label's name where that is one already.

    What a file name should not hold becomes "_", long names are cut, and whatever differs then from the label's name, or
    from an earlier one in capitals alone, gets the label's number: "c_d (3)".
    """
    found: dict[int, str] = {}
    taken: set[str] = set()
    clean = {number: _clean(name) for number, name in labels.items()}
    for number, name in labels.items():
        if name and clean[number] == name and not _RESERVED.fullmatch(name) and _folded(name) not in taken:
            found[number] = name
            taken.add(_folded(name))
    for number, stem in clean.items():
        if number not in found:
            name = f"{stem or 'class'} ({number})"
            while _folded(name) in taken:
                name += "_"
            found[number] = name
            taken.add(_folded(name))
    return {number: found[number] for number in labels}


def _clean(name: str) -> str:
    """Hidden names and those that begin with two underscores are passed over by readers of data sets."""
    text = _OTHER.sub("_", unicodedata.normalize("NFC", name))
    return text.lstrip("_. ")[:_LONGEST].rstrip(" .")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
