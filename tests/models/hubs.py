"""A Hugging Face hub that cannot be reached, a cache of it that a test can fill, and small models."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from neatfool.errors import ModelError
from neatfool.models import load_classifier

_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def unplug(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends the hub's client to a port where nobody listens, and to an empty cache."""
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def fill(cache: Path, repository: str, *files: Path) -> None:
    """Puts files into the cache as if they had been downloaded."""
    home = cache / f"models--{repository.replace('/', '--')}"
    snapshot = home / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs/main").write_text("0" * 40)
    for file in files:
        shutil.copy(file, snapshot)


def refused(model: str, message: str, **options: Any) -> str:
    with pytest.raises(ModelError, match=message) as caught:
        load_classifier(model, device="cpu", **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def photographs(shared: Path, count: int) -> list[Path]:
    """Some of the photographs, some of them not square."""
    return sorted((shared / "data/imagenet-sample/val").glob("*/*"))[:: 1000 // count][:count]


@contextmanager
def architectures(folder: Path, extras: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Small architectures among those that open_clip knows, each with some settings of its own."""
    open_clip = pytest.importorskip("open_clip", reason="needs open_clip")
    for name, extra in extras.items():
        (folder / f"{name}.json").write_text(json.dumps(_CLIP | extra))
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in extras:
        del open_clip.factory._MODEL_CONFIGS[name]
