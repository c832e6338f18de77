import os
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("NEATFOOL_SHARED") or Path(__file__).resolve().parents[3] / "shared")


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """The path of a file or folder of the shared test data; skips the test where it is absent."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"{path} is absent")
        return path

    return find
