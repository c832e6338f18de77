"""The Hugging Face hub, where timm, transformers and open_clip keep their weights."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neatfool.shared.text import reason

_SECONDS = 10.0


@contextlib.contextmanager
def hub_or_cache() -> Iterator[None]:
    """Leaves the hub's client its cache alone where the hub cannot be reached: it would try for a minute first."""
    from huggingface_hub import constants

    with offline(constants.HF_HUB_OFFLINE or not _is_reachable(constants.ENDPOINT)):
        yield


@contextlib.contextmanager
def offline(chosen: bool = True) -> Iterator[None]:
    """Lets the hub's client send nothing."""
    from huggingface_hub import constants

    client: Any = constants
    before = client.HF_HUB_OFFLINE
    client.HF_HUB_OFFLINE = chosen
    try:
        yield
    finally:
        client.HF_HUB_OFFLINE = before


def why_not(error: BaseException) -> str:
    """Why something could not be fetched, in few words."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    cause: BaseException | None = error
    while cause is not None:
        # What open_clip raises repeats the client's words alone.
        if isinstance(cause, LocalEntryNotFoundError) or "in the local cache" in str(cause):
            return "the hub cannot be reached, and its cache does not hold them"
        cause = cause.__cause__ or cause.__context__
    return reason(error)


def is_folder(name: str) -> bool:
    """Whether a name is the path of a folder, rather than OWNER/NAME on the hub."""
    return name.startswith((".", "/", "~")) or Path(name).is_absolute()


def _is_reachable(url: str) -> bool:
    from huggingface_hub import get_session

    try:
        get_session().head(url, timeout=_SECONDS)
    except Exception:  # the client's own errors, which differ between its releases
        return False
    return True
