"""Reading and writing weights: safetensors files, and .pth state dicts without ever running their pickled code."""

import os
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from neatfool.errors import ModelError, RunError
from neatfool.shared.files import replacing

StateDict = OrderedDict[str, Tensor]

_SHOWN = 2
_WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and many training programs put before every name."""
_NESTS = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "module",
)
"""Where checkpoints keep a state dict, the best first: averaged weights are those that were evaluated."""
_MAX_NESTS = 3
_COUNT = "n_averaged"
"""What torch's AveragedModel keeps beside the weights."""


def read_weights(path: str | os.PathLike[str]) -> tuple[StateDict, dict[str, str]]:
    """Reads a weights file onto the CPU.

    A .pth file may be the state dict itself or a checkpoint that holds it, or several: averaged ones (EMA) are preferred.

    Returns:
        The tensors by name, and the metadata of a safetensors file (empty for others).

    Raises:
        ModelError: The file is missing, damaged, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"There is no weights file {path}; check the path given as weights.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in (".pth", ".pt"):
        return _read_pth(path), {}
    raise ModelError(f"{path} is not a weights file: its name must end in .safetensors, .pth or .pt.")


def own_names(state: StateDict, module: nn.Module) -> StateDict:
    """A state dict without the prefixes "module.", "_orig_mod." and "model.", where all its names begin so.

    Args:
        state: As it was read.
        module: What the state is for; its own names may begin so too.
    """
    own = module.state_dict().keys()
    if _COUNT in state and _COUNT not in own:
        state = OrderedDict((name, value) for name, value in state.items() if name != _COUNT)
    while state and state.keys().isdisjoint(own):
        prefix = next((wrapper for wrapper in _WRAPPERS if all(name.startswith(wrapper) for name in state)), None)
        if prefix is None:
            break
        state = OrderedDict((name.removeprefix(prefix), value) for name, value in state.items())
    return state


def load_weights(module: nn.Module, state: StateDict, source: str) -> None:
    """Loads a state dict into a module, strictly.

    Args:
        module: What to load into.
        state: Every parameter and buffer of the module, and nothing else.
        source: Where the state came from, for messages.

    Raises:
        ModelError: Names or shapes differ, or a tensor is of a kind that cannot be copied.
    """
    own = module.state_dict()
    wrong = [
        f"{name} is {_shape(state[name])} instead of {_shape(value)}"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    if not wrong:
        try:
            keys = module.load_state_dict(_with_versions(state, own), strict=False)
        except RuntimeError as error:  # how torch says that a tensor cannot be copied, such as a sparse one
            reason = str(error).rpartition("\n")[2].strip()[:200]
            raise ModelError(
                f"{source} cannot be loaded into {type(module).__name__} ({reason}); save the weights as safetensors."
            ) from error
        wrong = [f"{name} is missing" for name in keys.missing_keys]
        wrong += [f"{name} is unknown" for name in keys.unexpected_keys]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ModelError(
            f"{source} does not fit {type(module).__name__}: {', '.join(wrong[:_SHOWN])}{more}; choose the model that "
            "these weights were trained for."
        )


def check_weights_path(path: str | os.PathLike[str]) -> None:
    """Whether weights can be written there, which is better known before training than after it.

    Raises:
        ModelError: The name does not end in .safetensors, or there is no folder that can be written to.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ModelError(f"Weights are written as safetensors; give {path.name} a name that ends in .safetensors.")
    if path.is_dir():
        raise ModelError(f"Cannot write the weights {path} (it is a folder); choose another name.")
    if not path.parent.is_dir():
        raise ModelError(f"Cannot write the weights {path} (there is no such folder); choose a folder that exists.")
    if not os.access(path.parent, os.W_OK):
        raise ModelError(f"Cannot write the weights {path} (permission denied); choose another folder.")


def write_weights(path: str | os.PathLike[str], module: nn.Module, metadata: Mapping[str, str]) -> None:
    """Writes a module's state as safetensors; the file appears under its name only once it is complete.

    Raises:
        ModelError: The file cannot be written.
    """
    path = Path(path)
    check_weights_path(path)
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(save(state, dict(metadata)))
    except RunError as error:
        raise ModelError(f"The weights {str(error).rstrip('.')}; choose another folder.") from error


def _read_safetensors(path: Path) -> tuple[StateDict, dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = OrderedDict((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
            return state, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a readable safetensors file ({_line(error)}); fetch it again.") from error


def _read_pth(path: Path) -> StateDict:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is refused, because it is damaged or holds Python objects besides tensors, which could run code; "
            "save it again with torch.save(module.state_dict(), FILE) or as safetensors."
        ) from error
    except Exception as error:  # torch's reader lets any kind of error out on bytes that are no such file
        raise ModelError(f"{path} is not a readable weights file ({_line(error)}); fetch it again.") from error
    content = _find_state(content, _MAX_NESTS)
    if content is None:
        raise ModelError(
            f"{path} holds no state dict of plain tensors; save one with torch.save(module.state_dict(), FILE)."
        )
    state = OrderedDict((str(name), value) for name, value in content.items())
    if hasattr(content, "_metadata"):
        state._metadata = content._metadata  # type: ignore[attr-defined]
    return state


def _find_state(content: object, nests: int) -> dict[Any, Tensor] | None:
    """The state dict that a file holds, as it is or in a checkpoint; None if there is none."""
    if not isinstance(content, dict) or not content:
        return None
    if all(map(_is_whole, content.values())):
        return content
    inside = (_find_state(content.get(key), nests - 1) for key in _NESTS if nests)
    return next((state for state in inside if state), None)


def _is_whole(value: object) -> bool:
    """Whether a value is a tensor with as much memory as its shape says, which one of a few bytes may only pretend to have."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _with_versions(state: StateDict, own: Mapping[str, Tensor]) -> StateDict:
    """A state dict with the versions of its modules' layouts, those that are sensible.

    MNASNet refuses a state dict without its version, which safetensors files do not carry.
    """
    stored, known = (getattr(one, "_metadata", {}) for one in (state, own))
    versions = {"": known[""]}
    for name, latest in known.items():
        said = stored.get(name) if isinstance(stored, dict) else None
        version = said.get("version") if isinstance(said, dict) else None
        if isinstance(version, int) and 1 <= version <= latest["version"]:
            versions[name] = {"version": version}
    state = state.copy()
    state._metadata = versions  # type: ignore[attr-defined]
    return state


def _shape(value: Tensor) -> str:
    return "x".join(str(side) for side in value.shape) or "a number"


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
