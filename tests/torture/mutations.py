"""Seeded damage to a run folder, of the kinds that accidents and strangers do."""

from __future__ import annotations

import json
import os
import random
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

MARK = "<script>torture()</script>"
"""A page that holds this did not escape what a file says."""


class Raw(str):
    """Text that stands in JSON as it is, though `json` would never write it."""


WRONG: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 99, 0.5, -0.5, 1e308, -1e308, 1e-320, 2**31, 2**32, 2**63, 2**64, -(2**63), 10**400,
    "", "x", "0", "nan", "null", MARK, "[/]", "[bold]x[/nope]", "{{ 7 * 7 }}", "../../outside/canary", "/etc/passwd", "a\x00b",
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202ereversed", "\ud800", "é" * 500, "x" * 2_000_000, [], [1], ["x"] * 3, {},
    {"name": "x"}, {"x": {"y": [1]}}, [[1, 2], [3]], [None], 8192, 4096,
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("9" * 6000), Raw("1e999"), Raw("-" + "9" * 6000),
    Raw("[" * 3000 + "]" * 3000), Raw("[" * 100_000 + "]" * 100_000), Raw('{"a":' * 2000 + "1" + "}" * 2000),
)  # fmt: skip


def mutate(folder: Path, others: list[Path], draw: random.Random) -> str:
    """Damages a run folder in one to three ways and says how."""
    return "; ".join(_once(folder, others, draw) for _ in range(draw.choice((1, 1, 1, 2, 3))))


def _once(folder: Path, others: list[Path], draw: random.Random) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", ".holder"))
    files = [path for path in files if path.suffix in (".json", ".jsonl", ".toml", ".safetensors", ".png")]
    if not files:
        return "nothing is left"
    # The many pictures would crowd out the rest.
    weights = [1.0 / sum(one.suffix == path.suffix for one in files) for path in files]
    path = draw.choices(files, weights)[0]
    ways: list[Callable[[Path, list[Path], random.Random], str]] = [_bytes]
    ways += {
        ".json": [_json] * 5, ".jsonl": [_jsonl] * 5, ".toml": [_toml] * 5, ".safetensors": [_arrays] * 7, ".png": [_png] * 2,
    }[path.suffix]  # fmt: skip
    return f"{path.relative_to(folder)}: {draw.choice(ways)(path, others, draw)}"


def _bytes(path: Path, others: list[Path], draw: random.Random) -> str:
    content = path.read_bytes()
    way = draw.choice(
        ("truncate", "flip", "swap", "folder", "fifo", "link", "loop", "empty", "gone", "zeros", "append")
    )
    if way == "truncate":
        path.write_bytes(content[: draw.randrange(len(content) + 1)])
    elif way == "flip":
        changed = bytearray(content)
        for _ in range(draw.randint(1, 4)):
            if changed:
                changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
    elif way == "swap":
        found = [one for other in others for one in sorted(other.rglob("*")) if one.is_file()]
        path.write_bytes(draw.choice(found).read_bytes())
    elif way == "append":
        path.write_bytes(content + draw.randbytes(100) + b"\n")
    elif way in ("empty", "zeros"):
        path.write_bytes(b"" if way == "empty" else bytes(len(content)))
    else:
        path.unlink()
        if way == "folder":
            path.mkdir()
        elif way == "fifo":
            os.mkfifo(path)
        elif way == "link":
            path.symlink_to(folder_of_canary(path) / "canary")
        elif way == "loop":
            path.symlink_to(path.name)
    return way


def folder_of_canary(path: Path) -> Path:
    """The folder beside the run that nothing may be written to."""
    while not (path / "outside").is_dir():
        path = path.parent
    return path / "outside"


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        found.append((value, key))
        _places(item, found)
    return found


def _change(value: Any, draw: random.Random, wrong: tuple[Any, ...] = WRONG) -> str:
    """Changes one place in nested lists and dictionaries."""
    places = _places(value, [])
    if not places:
        return "has no places"
    inside, key = draw.choice(places)
    way = draw.choice(("replace", "replace", "replace", "remove", "extra", "double", "nudge"))
    if way == "remove":
        del inside[key]
    elif way == "extra" and isinstance(inside, dict):
        inside[draw.choice(("extra", MARK, "../x", "name", "[/]"))] = draw.choice(wrong)
    elif way == "double" and isinstance(inside, list):
        inside.append(inside[key])
    elif way == "nudge" and type(inside[key]) in (int, float):
        inside[key] = draw.choice(
            (-inside[key], inside[key] + 1, inside[key] - 1, inside[key] * 1000, str(inside[key]))
        )
    else:
        inside[key] = draw.choice(wrong)
        way = f"is {str(inside[key])[:30]!r}"
    return f"{str(key)[:30]!r} {way}"


def _dump(value: Any) -> str:
    raws: list[str] = []

    def plain(item: Any) -> Any:
        if isinstance(item, Raw):
            raws.append(str(item))
            return f"@raw{len(raws) - 1}@"
        if isinstance(item, dict):
            return {key: plain(one) for key, one in item.items()}
        return [plain(one) for one in item] if isinstance(item, list) else item

    text = json.dumps(plain(value))
    for number, raw in enumerate(raws):
        text = text.replace(f'"@raw{number}@"', raw)
    return text


def _load(text: str) -> Any:
    """What an earlier mutation left, unless that can no longer be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json(path: Path, others: list[Path], draw: random.Random) -> str:
    value = _load(path.read_text(errors="replace"))
    said = _change(value, draw)
    path.write_text(_dump(value), errors="replace")
    return said


def _jsonl(path: Path, others: list[Path], draw: random.Random) -> str:
    lines = path.read_text(errors="replace").splitlines()
    if not lines:
        return "no lines"
    number = draw.choice((draw.randrange(len(lines)), len(lines) - 1))
    if draw.random() < 0.15:
        lines.insert(number, lines[draw.randrange(len(lines))])
        said = "a line twice"
    else:
        value = _load(lines[number])
        said = _change(value, draw)
        lines[number] = _dump(value)
    path.write_text("\n".join(lines) + "\n", errors="replace")
    return f"line {number + 1}: {said}"


def _toml(path: Path, others: list[Path], draw: random.Random) -> str:
    try:
        value = tomllib.loads(path.read_text(errors="replace"))
    except (ValueError, RecursionError):
        return "unreadable"
    wrong = tuple(one for one in WRONG if one is not None and type(one) is not Raw and one not in ([None], "\ud800"))
    said = _change(
        value, draw, (*wrong, float("nan"), float("inf"), "tinynet:nobody", "density-mnist", "neat", "direct")
    )
    try:
        path.write_text(tomli_w.dumps(value))
    except (ValueError, TypeError):
        path.write_text("x = " + "[" * 5000)
    return said


def _png(path: Path, others: list[Path], draw: random.Random) -> str:
    mode, size = (
        draw.choice(("L", "RGB", "P", "1", "RGBA", "I;16")),
        (draw.choice((1, 8, 9, 64)), draw.choice((1, 8, 9))),
    )
    Image.new(mode, size).save(path, draw.choice(("PNG", "PNG", "GIF")) if mode in ("L", "RGB", "P") else "PNG")
    return f"{mode} {size}"


def _arrays(path: Path, others: list[Path], draw: random.Random) -> str:
    try:
        with safe_open(path, "numpy") as file:
            notes = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        return "unreadable"
    if notes and draw.random() < 0.2:
        texts = [one for one in WRONG if isinstance(one, str) and one != "\ud800"] + ["-1", "1e400", "9" * 15, "5", "٣"]
        name = draw.choice(sorted(notes))
        notes[name] = str(draw.choice(texts))
        said = f"{name} is {notes[name][:30]!r}"
    elif not arrays:
        return "no arrays"
    else:
        name = draw.choice(sorted(arrays))
        said = f"{name}: {_change_array(arrays, name, draw)}"
    save_file({one: np.ascontiguousarray(values) for one, values in arrays.items()}, path, notes)
    return said


def _change_array(arrays: dict[str, np.ndarray], name: str, draw: random.Random) -> str:
    array = arrays[name].copy()
    way = draw.choice(("values", "values", "values", "values", "dtype", "shape", "gone", "renamed", "swapped", "text"))
    if way == "gone":
        del arrays[name]
    elif way == "renamed":
        arrays[f"{name}x"] = arrays.pop(name)
    elif way == "swapped":
        other = draw.choice(sorted(arrays))
        arrays[name], arrays[other] = arrays[other], array
        return f"swapped with {other}"
    elif way == "dtype":
        with np.errstate(all="ignore"):
            arrays[name] = array.astype(draw.choice(("f2", "f4", "f8", "i1", "i4", "i8", "u1", "u4", "u8", "?")))
        return f"is {arrays[name].dtype}"
    elif way == "shape":
        flat = array.reshape(-1)
        shapes = (
            flat[:0],
            flat[:1],
            flat[:-1],
            flat,
            array[None],
            array[:0],
            array[:1],
            np.concatenate([array, array]),
        )
        arrays[name] = draw.choice(shapes) if array.ndim else array[None]
        return f"has shape {arrays[name].shape}"
    elif way == "text" and array.dtype == np.uint8 and array.ndim == 1:
        value = _load(array.tobytes().decode(errors="replace"))
        if isinstance(value, list) and value and isinstance(value[0], str):
            inner = _load(value[0])
            said = _change(inner, draw)
            value[0] = _dump(inner)
        else:
            said = _change(value, draw)
        arrays[name] = np.frombuffer(_dump(value).encode(errors="replace"), np.uint8)
        return f"text {said}"
    elif array.size:
        special = (0, 1, -1, 2, 7, 2**31 - 1, 2**32 - 1, 2**63 - 1, -(2**63), np.nan, np.inf, -np.inf, 1e38, -1e-3, 1.5)
        value = draw.choice(special)
        flat = array.reshape(-1)
        with np.errstate(all="ignore"):
            if np.issubdtype(array.dtype, np.floating):
                new: Any = array.dtype.type(value)
            elif not np.isfinite(value):
                return "unchanged"
            else:
                new = np.array(int(value) & (2**64 - 1), np.uint64).astype(array.dtype)
        if draw.random() < 0.3:
            flat[:] = new
        else:
            flat[draw.randrange(flat.size)] = flat[draw.randrange(flat.size)] if draw.random() < 0.3 else new
        arrays[name] = flat.reshape(array.shape)
        return f"values {value}"
    return way


def copy_folder(source: Path, target: Path) -> None:
    """Copies a whole folder over what a mutant left."""
    remove(target)
    shutil.copytree(source, target, symlinks=True)


def remove(path: Path) -> None:
    """Removes a file, a link or a folder, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
