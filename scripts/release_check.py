"""Is everything ready to be released? `python scripts/release_check.py [--tag TAG] [DIST]`.

The version stands in Cargo.toml alone. It has to be that of everything in the folder DIST, and of the tag if there is one; then
CHANGELOG.md needs a dated section of it too, which may still be called Unreleased without a tag.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def tag_here() -> str | None:
    """The tag v... of the commit that is checked out, if it has one."""
    command = ["git", "-C", str(ROOT), "tag", "--points-at", "HEAD", "v*"]
    tags = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return tags[0] if tags else None


def faults(dist: Path | None, tag: str | None) -> Iterator[str]:
    """What keeps this from being released, a sentence each."""
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    for package in locked:
        if package["name"].startswith("neatfool") and package["version"] != version:
            yield f"Cargo.lock has {package['name']} {package['version']}, not {version}: run cargo check."
    changes = (ROOT / "CHANGELOG.md").read_text()
    dated = re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", changes, re.MULTILINE)
    if tag and tag != f"v{version}":
        yield f"the tag is {tag}, but the version in Cargo.toml {version}."
    if tag and not dated:
        yield f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD'."
    if not tag and not dated and "\n## [Unreleased]\n" not in changes:
        yield f"CHANGELOG.md has neither a section of {version} nor '## [Unreleased]'."
    if dist:
        sdist = f"neatfool-{version}.tar.gz"
        names = sorted(path.name for path in dist.iterdir())
        for name in names:
            if name != sdist and not name.startswith(f"neatfool-{version}-"):
                yield f"{dist / name} is not of version {version}."
        if sdist not in names or not any(name.endswith(".whl") for name in names):
            yield f"{dist} lacks a wheel or the sdist: run make wheels."


def main() -> int:
    """Prints what is missing; 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dist", nargs="?", type=Path, metavar="DIST", help="the folder of wheels and sdist")
    parser.add_argument("--tag", help="the tag to be released; by default that of the commit")
    arguments = parser.parse_args()
    found = list(faults(arguments.dist, arguments.tag or tag_here()))
    for fault in found:
        print(f"Not ready: {fault}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
