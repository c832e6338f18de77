"""Coverage-guided fuzzing of what Python reads from strangers: run folders, weights, pictures, arrays of genes.

Whatever the bytes are, only errors that say so may come out. Needs atheris (`make torture` installs it); without it the
inputs that are kept in corpus/ are still tried. An input is repeated with `python tests/torture/python_fuzz.py TARGET FILE`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from outcome import Outcome, Part

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
MEMORY = Path("/dev/shm")
MOST_PIXELS = 4096
"""Larger pictures only cost time."""
FOLDERS = ("neatfool.runs", "neatfool.search.loading")
PICTURES = tuple(f"PIL.{kind}ImagePlugin" for kind in ("Bmp", "Gif", "Jpeg", "Png", "Ppm", "Tiff", "WebP"))
MODULES = {
    "texts": FOLDERS,
    "checkpoint": FOLDERS,
    "weights": ("neatfool.classifiers.state_dict",),
    "picture": ("neatfool.shared.pixels", *PICTURES),
    "arrays": ("neatfool.encodings",),
}
"""What each target reads with."""
GUIDES = ["neatfool", "tomllib"]
"""Ours, and the parsers in Python that ours rely on: without them there is little to be guided by."""

Check = Callable[[bytes], None]


def fuzz(seconds: int) -> Outcome:
    """Tries what is kept, then fuzzes for so many seconds in all, a process a core."""
    failures, kept = [], 0
    with scratch() as work:
        for name, target in TARGETS.items():
            check, seeds = target(work / name)
            inputs = {path.name: path.read_bytes() for path in sorted((CORPUS / name).glob("*"))}
            inputs |= {f"seed {place}": seed for place, seed in enumerate(seeds)}
            kept += len(inputs)
            for label, data in inputs.items():
                try:
                    check(data)
                except Exception as error:
                    failures.append(f"{name}: {error!r} for the input {label} of python_fuzz.py.")
    if importlib.util.find_spec("atheris") is None:
        return Outcome(f"{kept} kept inputs; nothing new, because atheris is not installed", failures)
    begin = cpu()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda name: guided(name, max(1, seconds // len(TARGETS))), TARGETS))
    executions = sum(int(last(r"number_of_executed_units: +(\d+)", text) or 0) for text, _ in done)
    covered = [last(r"cov: (\d+)", text) for text, _ in done]
    edges = [f"{name} {count}" for name, count in zip(TARGETS, covered, strict=True)]
    failures += [failure for _, failure in done if failure]
    facts = {"CPU seconds": f"{cpu() - begin:,.0f}", "edges reached": ", ".join(edges)}
    return Outcome(f"{kept} kept inputs and {executions:,} new ones for {len(TARGETS)} readers", failures, facts)


def guided(name: str, seconds: int) -> tuple[str, str]:
    """Fuzzes one target; what libFuzzer said, and what failed."""
    with scratch() as work:
        for folder in ("seeds", "found"):
            (work / folder).mkdir()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "NEATFOOL_THREADS": "1"}
        artifact = Path(tempfile.gettempdir()) / f"neatfool-fuzz-{name}-"
        options = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=8192", "-seed=1"]
        options += [f"-dict={work / 'words'}", f"-artifact_prefix={artifact}", "-print_final_stats=1"]
        command = [sys.executable, __file__, name, "--work", str(work), *options, str(work / "found")]
        command += [str(work / "seeds"), *([str(CORPUS / name)] if (CORPUS / name).is_dir() else [])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if not done.returncode:
        return done.stderr, ""
    text = done.stdout + done.stderr
    what = last(r"(?m)^ *([\w.]+(?:Error|Exception|Interrupt): .*)", text) or last(r"(ERROR: .*)", text)
    file = last(r"Test unit written to (\S+)", text)
    return done.stderr, f"{name}: {what or text[-300:]}; repeat it with `python {Path(__file__).name} {name} {file}`."


def main() -> None:
    """Repeats the inputs in some files, or fuzzes if told where to work."""
    name, *arguments = sys.argv[1:]
    if arguments[0] != "--work":
        with scratch() as work:
            check, _ = TARGETS[name](work)
            for path in arguments:
                check(Path(path).read_bytes())
        return
    import atheris

    with atheris.instrument_imports(include=[*GUIDES, "PIL"] if name == "picture" else GUIDES):
        for module in MODULES[name]:
            importlib.import_module(module)
    if name == "weights":  # all of torch would take a minute
        unpickler = importlib.import_module("torch._weights_only_unpickler").Unpickler
        unpickler.load = atheris.instrument_func(unpickler.load)
    work = Path(arguments[1])
    check, seeds = TARGETS[name](work / "target")
    for place, seed in enumerate(seeds):
        (work / "seeds" / str(place)).write_bytes(seed)
    words = {word for seed in seeds for word in re.findall(rb"[A-Za-z_.]{3,30}|[0-9.e-]{2,12}", seed)}
    (work / "words").write_text("".join(f'"{word.decode()}"\n' for word in sorted(words)))
    atheris.Setup([sys.argv[0], *arguments[2:]], check)
    atheris.Fuzz()


def texts(work: Path) -> tuple[Check, list[bytes]]:
    """A byte that chooses manifest, settings or metrics, and the file."""
    folders = [run_of(work / kind, kind) for kind in KINDS]
    names = ("manifest.json", "config.toml", "metrics.jsonl")
    places = [(folder, name) for folder in folders for name in names]
    whole = [(folder / name).read_bytes() for folder, name in places]

    def check(data: bytes) -> None:
        place = data[0] % len(places) if data else 0
        folder, name = places[place]
        (folder / name).write_bytes(data[1:])
        try:
            read(folder)
        finally:
            (folder / name).write_bytes(whole[place])

    return check, [bytes([place]) + content for place, content in enumerate(whole)]


def checkpoint(work: Path) -> tuple[Check, list[bytes]]:
    """A byte that chooses a run, and its checkpoint as `safetensors` reads it."""
    states = [run_of(work / kind, kind) / "checkpoint" / "state.safetensors" for kind in KINDS]
    whole = [state.read_bytes() for state in states]

    def check(data: bytes) -> None:
        state = states[data[0] % len(states) if data else 0]
        state.write_bytes(safetensors(data[1:]))
        read(state.parents[1])

    return check, [bytes([place]) + loose(content) for place, content in enumerate(whole)]


def weights(work: Path) -> tuple[Check, list[bytes]]:
    """A byte that chooses the form, and a file of weights."""
    import torch
    from safetensors.torch import save

    from neatfool.classifiers.state_dict import load_weights, own_names, read_weights
    from neatfool.errors import ModelError

    work.mkdir(parents=True)
    files = [work / "a.safetensors", work / "a.pth", work / "b.pth"]
    state = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2, dtype=torch.float16)}
    new, old = io.BytesIO(), io.BytesIO()
    odd = {"weight": torch.eye(2, 3).to_sparse(), "bias": torch.ones(1).expand(2), "more": torch.ones(2, device="meta")}
    torch.save(state, old, _use_new_zipfile_serialization=False)
    seeds = [b"\0" + loose(save(state, {"classes": "[]"})), b"\1" + old.getvalue()]
    for content in (state, {"state_dict": state}, odd, torch.nn.Linear(3, 2).state_dict()):
        new = io.BytesIO()
        torch.save(content, new)
        with zipfile.ZipFile(new) as stored:
            seeds += [b"\2" + stored.read(name) for name in stored.namelist() if name.endswith("data.pkl")]

    def check(data: bytes) -> None:
        form = data[0] % 3 if data else 0
        content = (safetensors(data[1:]), data[1:], archive(data[1:]))[form]
        files[form].write_bytes(content)
        with contextlib.suppress(ModelError):
            state, _ = read_weights(files[form])
            module = torch.nn.Linear(3, 2)
            load_weights(module, own_names(state, module), files[form].name)

    return check, seeds


def picture(work: Path) -> tuple[Check, list[bytes]]:
    """A picture of any kind."""
    import numpy as np
    from PIL import Image

    from neatfool.errors import DataError
    from neatfool.shared.pixels import open_picture, read_picture

    work.mkdir(parents=True)
    file = work / "picture"
    seeds = []
    gradient = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)
    for kind in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"):
        for mode in ("L", "RGB", "P", "RGBA", "1"):
            out = io.BytesIO()
            with contextlib.suppress(OSError):
                Image.fromarray(gradient).convert(mode).save(out, kind)
                seeds.append(out.getvalue())

    def check(data: bytes) -> None:
        file.write_bytes(data)
        with contextlib.suppress(DataError):
            opened = open_picture(file, max_pixels=MOST_PIXELS)
            assert opened.mode in ("L", "RGB")
            pixels = read_picture(file, channels=3, max_pixels=MOST_PIXELS)
            assert pixels.dtype == np.uint8
            assert pixels.shape == (3, opened.height, opened.width)

    return check, seeds


def arrays(work: Path) -> tuple[Check, list[bytes]]:
    """Arrays of genes of either encoding, as `safetensors` reads them."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    from neatfool.encodings import Cppn, Direct
    from neatfool.errors import RunError

    shape = (3, 4, 5)
    encodings = (Cppn(), Direct())

    def check(data: bytes) -> None:
        encoding = encodings[data[0] % 2 if data else 0]
        try:
            stored = load(safetensors(data[1:]))
        except (SafetensorError, AttributeError, TypeError, KeyError, ValueError):
            return
        try:
            population = encoding.restore(stored, shape=shape, seed=1, markings=bool(data[0] & 2))
        except (KeyError, TypeError, ValueError, OverflowError):
            return
        count = len(population)
        if count > MOST_PIXELS:
            return
        out = np.empty((count, *shape), np.uint8)
        population.render(out)
        if count:
            with contextlib.suppress(RunError):
                children = population.vary(np.array([[0, count - 1, 1], [count - 1, 0, 0]], np.uint32), generation=1)
                children.render(np.empty((2, *shape), np.uint8))
        again = encoding.restore(population.arrays(), shape=shape, seed=1)
        assert len(again) == count
        twice = np.empty_like(out)
        again.render(twice)
        assert (out == twice).all()

    seeds = []
    for place, encoding in enumerate(encodings):
        for count in (1, 3):
            stored = encoding.start(count, shape=shape, seed=count).arrays()
            seeds.append(bytes([place]) + loose(save(stored)))
    return check, seeds


TARGETS: dict[str, Callable[[Path], tuple[Check, list[bytes]]]] = {
    "texts": texts,
    "checkpoint": checkpoint,
    "weights": weights,
    "picture": picture,
    "arrays": arrays,
}
KINDS: dict[str, dict[str, Any]] = {
    "cppn": {"encoding": "cppn"},
    "neat": {"encoding": "cppn", "strategy": "neat"},
    "direct": {"encoding": "direct"},
    "pictures": {},
}


def run_of(path: Path, kind: str) -> Path:
    """A small run folder: of an evolution, or of an ascent, which keeps pictures in place of genomes."""
    import numpy as np

    import neatfool as nf
    from neatfool.runs import RunFolder, elite_arrays

    shape, classes = (1, 5, 6), ("bright", "dark", "gray")
    if kind == "pictures":
        manifest = {"command": "ascend", "model": "brightness", "class_names": classes, "image_shape": shape}
        folder = RunFolder.create(path, config={"seed": 1}, manifest=manifest)
        numbers = np.arange(3)
        columns = {"classes": numbers, "ids": numbers, "generation": numbers, "changing": numbers[:2]}
        pictures = np.full((3, *shape), 7, np.uint8)
        folder.save_checkpoint(
            elite_arrays(confidence=np.full(3, 0.5, np.float32), pictures=pictures[:2], **columns), {"step": "1"}
        )
        folder.write_images(dict(enumerate(pictures)))
        folder.append_metrics({"generation": 0, "seconds": 0.5})
        return path

    def brightness(images: Any) -> Any:
        means = images.reshape(len(images), -1).mean(1, dtype=np.float64) / 255
        return np.stack([means, 1 - means, means / 2], 1)

    judge = nf.FunctionJudge(brightness, image_shape=shape, classes=classes)
    nf.evolve(judge, generations=2, batch=9, seed=1, out=path, **KINDS[kind])
    return path


def read(folder: Path) -> None:
    """Reads a run folder in every way there is without its judge."""
    from neatfool.errors import NeatfoolError
    from neatfool.runs import RunFolder
    from neatfool.search.config import build_config, read_config
    from neatfool.search.loading import load_search

    for use in (lambda: build_config(read_config(folder / "config.toml")), lambda: RunFolder.open(folder).metrics()):
        with contextlib.suppress(NeatfoolError):
            use()
    with contextlib.suppress(NeatfoolError):
        run = RunFolder.open(folder)
        if math.prod(run.manifest.image_shape) > MOST_PIXELS:
            return
        with contextlib.suppress(NeatfoolError):
            run.elites()
        _, search, _ = load_search(run)
        if search.batch <= MOST_PIXELS:
            search.ask()
        search.arrays()


def loose(content: bytes) -> bytes:
    """A safetensors file without the length of its header, which `safetensors` puts back."""
    return (
        b"\1"
        + content[8 : 8 + int.from_bytes(content[:8], "little")]
        + b"\0"
        + content[8 + int.from_bytes(content[:8], "little") :]
    )


def safetensors(data: bytes) -> bytes:
    """A safetensors file of a header and data of which the lengths fit, as nothing else is looked into; or the bytes."""
    if data[:1] != b"\1":
        return data[1:]
    header, _, content = data[1:].partition(b"\0")
    with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
        tensors = [value for name, value in json.loads(header).items() if name != "__metadata__"]
        end = min(max(int(tensor["data_offsets"][1]) for tensor in tensors), 65_536)
        content = content[:end].ljust(end, b"\0")
    return len(header).to_bytes(8, "little") + header + content


def archive(pickled: bytes) -> bytes:
    """A file as torch.save writes it, of this pickle and two storages."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in (
            ("data.pkl", pickled),
            ("byteorder", b"little"),
            ("data/0", bytes(24)),
            ("data/1", bytes(4)),
            ("version", b"3\n"),
        ):
            file.writestr(f"archive/{name}", content)
    return out.getvalue()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory, where there is such a thing."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as path:
        yield Path(path)


def cpu() -> float:
    used = os.times()
    return used.children_user + used.children_system


def last(pattern: str, text: str) -> str:
    return (re.findall(pattern, text) or [""])[-1]


PART = Part(title="Python readers, fuzzed", torture=fuzz, short=5, long=750)

if __name__ == "__main__":
    main()
