"""`make release-check` lets nothing through that is not ready."""

import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of what is looked at, of version 1.2.0, and a folder of what was built."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/release_check.py", tmp_path / "scripts")
    (tmp_path / "Cargo.toml").write_text('[workspace.package]\nversion = "1.2.0"\n')
    (tmp_path / "Cargo.lock").write_text('[[package]]\nname = "neatfool-core"\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.0] - 2026-11-27\n\n- a change\n")
    (tmp_path / "dist").mkdir()
    for name in ("neatfool-1.2.0-cp311-abi3-manylinux_2_28_x86_64.whl", "neatfool-1.2.0.tar.gz"):
        (tmp_path / "dist" / name).touch()
    return tmp_path


def faults(place: Path, tag: str | None = "v1.2.0") -> list[str]:
    script: dict[str, Any] = runpy.run_path(str(place / "scripts/release_check.py"))
    return list(script["faults"](place / "dist", tag))


def test_a_release_that_is_ready(place: Path) -> None:
    assert faults(place) == faults(place, None) == []


def test_without_a_tag_changes_may_be_unreleased(place: Path) -> None:
    (place / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    assert faults(place, None) == []
    assert faults(place) == ["CHANGELOG.md has no section '## [1.2.0] - YYYY-MM-DD'."]


def test_a_tag_of_another_version(place: Path) -> None:
    assert faults(place, "v1.2.1") == ["the tag is v1.2.1, but the version in Cargo.toml 1.2.0."]


def test_a_lock_file_of_another_version(place: Path) -> None:
    (place / "Cargo.lock").write_text('[[package]]\nname = "neatfool-core"\nversion = "1.1.0"\n')
    assert faults(place) == ["Cargo.lock has neatfool-core 1.1.0, not 1.2.0: run cargo check."]


def test_what_an_older_version_left_behind(place: Path) -> None:
    (place / "dist/neatfool-1.1.0.tar.gz").touch()
    assert faults(place) == [f"{place / 'dist/neatfool-1.1.0.tar.gz'} is not of version 1.2.0."]


def test_nothing_built(place: Path) -> None:
    (place / "dist/neatfool-1.2.0.tar.gz").unlink()
    assert faults(place) == [f"{place / 'dist'} lacks a wheel or the sdist: run make wheels."]


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in (ROOT / "CITATION.cff").read_text().split("references:")[0].replace("cff-version", "")
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
