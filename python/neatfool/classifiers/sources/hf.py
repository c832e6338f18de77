"""Image classifiers of transformers, from the Hugging Face hub or a folder: `OWNER/NAME`, `./folder`.

Nothing that comes with a model is executed: no code of its repository, no pickle, no kernels.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neatfool.classifiers.building import Weights, build_module
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.layers import seeded
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.sources.hub import hub_or_cache, is_folder, offline, why_not
from neatfool.classifiers.sources.processor import read_processor
from neatfool.errors import ModelError, RunError
from neatfool.shared.files import MIB, parse_json, read_bytes
from neatfool.shared.text import reason

_FILES = ["config.json", "preprocessor_config.json", "processor_config.json", "model*.safetensors", "*.index.json"]
_LIMIT = 16 * MIB
_NEEDED = "config.json, preprocessor_config.json and model.safetensors"
_SAFE: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
_PLAIN: dict[str, Any] = {"attn_implementation": "eager", "dtype": torch.float32}
"""How to build a network, whatever its configuration says."""


def load_hf(name: str, *, weights: Weights, device: str, crops: Crops) -> Classifier:
    """A model with the preprocessing and class names that its folder states, see `load_classifier`.

    Raises:
        ModelError: transformers is not installed, the model cannot be fetched or is no image classifier, or weights do not fit.
    """
    hf = _transformers()
    folder = _folder(name, own_weights=weights is None)
    _check_kernels(folder, name)
    with _quiet(hf), offline():
        config = _read(hf.AutoConfig, folder, name)
        config._attn_implementation = "eager"  # what it holds itself counts more than what is asked for
        class_names = _class_names(config)
        if weights is None:
            module: nn.Module = _pretrained(hf, folder, config, name)
            names: Sequence[str] | None = class_names
        else:
            module, names = build_module(f"hf:{name}", partial(_build, hf, config, name), weights, class_names)
        processor = _read(hf.AutoImageProcessor, folder, name)
    for part in module.modules():
        if hasattr(part, "name_or_path"):  # the place of the folder, which is no part of what the network is
            part.name_or_path = ""  # type: ignore[assignment]
    return Classifier(
        module,
        **read_processor(processor, config, name=f"hf:{name}"),
        class_names=names,
        crops=crops,
        device=device,
        name=f"hf:{name}",
    )


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ModelError("Models named hf: need transformers; install it with pip install 'neatfool[hf]'.") from error
    return transformers


def _folder(name: str, *, own_weights: bool) -> Path:
    """Where the model is on this machine, fetched first if it is on the hub."""
    if is_folder(name):
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise ModelError(f"There is no folder {folder}; check the path after hf:.")
    else:
        folder = _fetch(name, _FILES if own_weights else _FILES[:3])
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json; hf: needs a folder with {_NEEDED}.")
    if own_weights and not any(folder.glob("model*.safetensors")):
        pickled = next(iter(sorted(folder.glob("*.bin"))), None)
        hint = (
            f"{pickled.name} is a pickle, which is not read: load the model with transformers where you trust it, and write "
            "it with model.save_pretrained(FOLDER)"
            if pickled
            else f"hf: needs {_NEEDED}, and --weights FILE names others"
        )
        raise ModelError(f"{folder} has no model.safetensors; {hint}.")
    return folder


def _fetch(name: str, files: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        with hub_or_cache():
            return Path(snapshot_download(name, allow_patterns=files))
    except Exception as error:  # of the hub's client and of the network
        raise ModelError(
            f"hf:{name} cannot be fetched ({why_not(error)}); check the name, or fetch {_NEEDED} from huggingface.co/{name} "
            "into a folder and pass hf:./FOLDER."
        ) from error


def _check_kernels(folder: Path, name: str) -> None:
    """Raises ModelError if the configuration names an attention that is not torch's: transformers would fetch its code."""
    try:
        config = parse_json(read_bytes(folder / "config.json", _LIMIT))
    except (RunError, ValueError) as error:
        raise ModelError(f"The config.json of hf:{name} cannot be read ({error}); {folder} needs {_NEEDED}.") from error
    if kernel := next(_kernels(config), None):
        raise ModelError(
            f"The config.json of hf:{name} asks for the attention {kernel!r}, which may be code from elsewhere; remove its "
            "attn_implementation from a copy of the folder."
        )


def _kernels(value: object, *, named: bool = False) -> Iterator[object]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _kernels(part, named=named or "attn_implementation" in key or "kernel_config" in key)
    elif isinstance(value, list):
        for part in value:
            yield from _kernels(part, named=named)
    elif named and value not in (None, "eager", "sdpa"):
        yield value


def _read(kind: Any, folder: Path, name: str) -> Any:
    """The configuration or the image processor in a folder."""
    try:
        return kind.from_pretrained(str(folder), **_SAFE)
    except Exception as error:  # of a stranger's files
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"hf:{name} comes with Python code of its own, which is not run; load it in a function of yours and pass "
                "./file.py:function as the model."
            ) from error
        what = "config.json" if kind.__name__ == "AutoConfig" else "preprocessor_config.json"
        raise ModelError(
            f"The {what} of hf:{name} cannot be used ({reason(error)}); {folder} needs {_NEEDED}."
        ) from error


def _pretrained(hf: Any, folder: Path, config: Any, name: str) -> nn.Module:
    try:
        with seeded(0):
            module, found = hf.AutoModelForImageClassification.from_pretrained(
                str(folder), config=config, use_safetensors=True, output_loading_info=True, **_SAFE, **_PLAIN
            )
    except Exception as error:
        raise _unbuilt(name, error) from error
    if missing := sorted(found["missing_keys"]):
        raise ModelError(
            f"The weights of hf:{name} lack {missing[0]} and {len(missing) - 1} more, so it is no trained image classifier; "
            "choose a model that was fine-tuned for classification."
        )
    plain: nn.Module = module
    return plain


def _build(hf: Any, config: Any, name: str, n_classes: int) -> nn.Module:
    """The network without weights."""
    if n_classes != config.num_labels:
        config = type(config).from_dict(
            config.to_dict() | {"num_labels": n_classes, "id2label": None, "label2id": None}
        )
    try:
        module: nn.Module = hf.AutoModelForImageClassification.from_config(config, trust_remote_code=False, **_PLAIN)
    except Exception as error:
        raise _unbuilt(name, error) from error
    return module


def _unbuilt(name: str, error: Exception) -> ModelError:
    return ModelError(
        f"hf:{name} cannot be made an image classifier ({reason(error)}); choose a model whose page says image classification."
    )


def _class_names(config: Any) -> list[str]:
    """The labels, or the indices where there are but placeholders."""
    labels = [str(config.id2label.get(index, index)) for index in range(config.num_labels)]
    placeholders = all(label == f"LABEL_{index}" for index, label in enumerate(labels))
    return [str(index) for index in range(len(labels))] if placeholders else labels


@contextlib.contextmanager
def _quiet(hf: Any) -> Iterator[None]:
    """Without transformers' own progress and remarks."""
    tools = hf.utils.logging
    shown, verbosity = tools.is_progress_bar_enabled(), tools.get_verbosity()
    tools.disable_progress_bar()
    tools.set_verbosity_error()
    try:
        yield
    finally:
        tools.set_verbosity(verbosity)
        if shown:
            tools.enable_progress_bar()
