"""Imports point downwards, and never in a circle."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import neatfool

PACKAGE = Path(neatfool.__file__).parent

FLOORS = [
    {"errors"},
    {"_core", "shared"},
    {"encodings", "classifiers"},
    {"models", "data"},
    {"training"},
    {"figures"},
    {"runs"},
    {"search"},
    {"ecosystem", "report", "scaling", "watching"},
    {"experiments"},
    {"plots"},
    {"cli"},
]
"""From the ground up. A room imports from floors below, not from its neighbours."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")} | {"neatfool._core": None}


def imported(path: Path, *, typing: bool) -> set[str]:
    """Modules of the package that a file imports, anywhere in it; with `typing` also for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not typing:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {
                full if (full := f"{node.module}.{alias.name}") in MODULES else str(node.module) for alias in node.names
            }
    return {name for name in found if name in MODULES}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "neatfool"


def floor(module: str) -> int:
    return next(level for level, rooms in enumerate(FLOORS) if room(module) in rooms)


def test_every_room_has_its_floor():
    rooms = {room(module) for module in MODULES} - {"neatfool", "__main__"}
    assert rooms == set().union(*FLOORS)


def test_imports_point_downwards():
    upwards = []
    for module, path in MODULES.items():
        if path is None or room(module) in ("neatfool", "__main__"):
            continue
        for target in imported(path, typing=True):
            # The package itself, for its version, is what every room may see.
            if target == "neatfool":
                continue
            sideways = floor(target) == floor(module) and room(target) != room(module)
            if floor(target) > floor(module) or sideways:
                upwards.append(f"{module} imports {target}")
    assert not upwards, "\n".join(sorted(upwards))


def test_modules_import_each_other_in_no_circle():
    graph = {module: imported(path, typing=False) - {module} for module, path in MODULES.items() if path is not None}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def test_a_circle_or_an_upward_import_would_be_found(tmp_path):
    (tmp_path / "one.py").write_text("def late():\n    from neatfool.cli import run\n    return run\n")
    assert imported(tmp_path / "one.py", typing=True) == {"neatfool.cli"}
    assert floor("neatfool.cli") > floor("neatfool.runs")


def test_search_comes_without_what_takes_long_to_import():
    heavy = "{'torchvision', 'matplotlib', 'pandas', 'sklearn'}"
    program = f"import sys, neatfool.search; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", program], check=True)
