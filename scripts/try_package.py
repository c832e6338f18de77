"""Installs a wheel or an sdist into a fresh environment and uses it: `python scripts/try_package.py PACKAGE`.

A wheel gets an environment without cargo on its PATH. There `neatfool evolve` has to make a gallery, and the tests of the
command line have to pass. `--site DIR` lends it the packages of another environment instead of installing the dependencies.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ("conftest.py", "cli/conftest.py", "cli/test_evolve_and_friends.py")


def path_without_cargo() -> str:
    """The PATH less the folders that have cargo."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if shutil.which("cargo", path=folder) is None)


def try_package(package: Path, site: Path | None, place: Path) -> None:
    """Raises CalledProcessError, or SystemExit with a sentence, where something goes wrong."""
    home = place / "environment"
    venv.create(home, with_pip=True)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    rest = path_without_cargo() if package.suffix == ".whl" else os.environ["PATH"]
    environment["PATH"] = f"{programs}{os.pathsep}{rest}"
    python = shutil.which("python", path=str(programs))

    def do(*command: str) -> str:
        found = shutil.which(command[0], path=environment["PATH"])
        if found is None:
            raise SystemExit(f"There is no {command[0]} in the environment.")
        return subprocess.run(
            [found, *command[1:]], cwd=work, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    work = place / "work"
    work.mkdir()
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    began = time.monotonic()
    if site:
        packages = Path(do("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (packages / "lent.pth").write_text(f"{site}\n")
        do(*pip, "--no-deps", str(package))
    else:
        do(*pip, str(package))
    installed = time.monotonic()
    do("neatfool", "evolve", "--out", "first")
    drawn = time.monotonic()
    if not (work / "first/gallery.png").is_file():
        raise SystemExit("neatfool evolve made no gallery.")
    used = Path(do("python", "-c", "import neatfool; print(neatfool.__file__)").strip())
    if not used.is_relative_to(home.resolve()):
        raise SystemExit(f"{used} was used, which is not what was installed.")
    print(f"{package.name}: installed in {installed - began:.1f} s, the first gallery {drawn - installed:.1f} s later")

    if not site:
        do(*pip, "pytest", "hypothesis")
    for test in TESTS:
        (work / "tests" / test).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / test, work / "tests" / test)
    # Signals have nothing to do with how it was installed, and are others on Windows.
    print(do("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not signal", "tests").splitlines()[-1])


def main() -> None:
    """Prints how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="a wheel, an sdist, or a folder with one wheel")
    parser.add_argument("--site", type=Path, metavar="DIR", help="site-packages with the dependencies and pytest")
    arguments = parser.parse_args()
    package = arguments.package
    if package.is_dir():
        (package,) = package.glob("*.whl")
    with tempfile.TemporaryDirectory() as place:
        try_package(package.resolve(), arguments.site and arguments.site.resolve(), Path(place).resolve())


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.stdout}{error}")
