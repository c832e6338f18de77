"""Models that are files: the description beside each, and the classifier that the two make."""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from neatfool.classifiers.adapt import Adapted
from neatfool.classifiers.building import Weights
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.outputs import are_probabilities, pick_outputs
from neatfool.classifiers.preprocessing import ChannelOrder, Crops, Interpolation, Layout, Outputs, Preprocessing
from neatfool.classifiers.saving import stored_names
from neatfool.classifiers.trial import try_out
from neatfool.errors import ConfigError, ModelError, RunError
from neatfool.shared.files import MIB, parse_json, read_bytes
from neatfool.shared.settings import Settings, check_settings

log = logging.getLogger(__name__)

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_USUAL_SIZE = 224
_MAX_FILE = 16 * 1024 * MIB
_MAX_DESCRIPTION = 16 * MIB
_ENDINGS = (".toml", ".json")


class Description(Settings):
    """What `NAME.toml` or `NAME.json` beside a model file says, in the words of `Classifier`; all of it may be left out."""

    input_size: int | tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scale: float | None = None
    value_range: tuple[float, float] | None = None
    channel_order: ChannelOrder = "rgb"
    layout: Layout | None = None
    outputs: Outputs | None = None
    class_names: tuple[str, ...] | None = None
    resize_size: int | None = None
    interpolation: Interpolation = "bilinear"


class Input(NamedTuple):
    """What a network takes: the channels, (height, width) and layout of its images."""

    channels: int
    size: tuple[int, int]
    layout: Layout

    def shape(self, count: int) -> tuple[int, int, int, int]:
        """The shape of a batch of images."""
        if self.layout == "nhwc":
            return count, *self.size, self.channels
        return count, self.channels, *self.size


class FileNetwork(nn.Module):
    """A network from a file, whose bytes are part of its identity. It stays in the mode in which it was stored.

    Args:
        network: Takes float32 batches.
        digest: SHA-256 of the file.
        least: Images that a batch has to have; smaller ones are filled up with zeros.
        most: Images that it may have; larger ones are split. None for any number.
        gradients: Whether torch runs it, so that it has gradients.
    """

    file: Tensor

    def __init__(
        self,
        network: nn.Module,
        digest: bytes,
        *,
        least: int = 1,
        most: int | None = None,
        gradients: bool = True,
    ) -> None:
        super().__init__()
        self.network = network
        self.least, self.most = least, most
        self.gradients = gradients
        self.register_buffer("file", torch.tensor(list(digest), dtype=torch.uint8))
        self.training = False

    def train(self, mode: bool = True) -> FileNetwork:
        """Does nothing: what was exported has one mode alone."""
        return self

    def forward(self, x: Tensor) -> Any:
        """What the network returns; of several batches the tensor that counts."""
        count = len(x)
        if self.least <= count <= (self.most or count):
            return self.network(x)
        most = self.most or max(count, self.least)
        parts = []
        for part in torch.split(x, most):
            missing = max(self.least - len(part), 0)
            filled = pad(part, (0, 0) * (x.ndim - 1) + (0, missing)) if missing else part
            outputs = pick_outputs(self.network(filled))
            if not isinstance(outputs, Tensor):
                return outputs
            parts.append(outputs[: len(part)])
        return torch.cat(parts)


def check_model_file(name: str, weights: Weights) -> Path:
    """The path of a model file that can be opened.

    Raises:
        ModelError: There is none, it is larger than 16 GiB, or weights are given besides.
    """
    path = Path(name)
    if weights is not None:
        raise ModelError(f"{path.name} holds its own weights; leave out --weights.")
    if not path.exists():
        raise ModelError(f"There is no model file {path}; check the path.")
    if not path.is_file():
        raise ModelError(f"{path} is not a regular file; check the path.")
    if (size := path.stat().st_size) > _MAX_FILE:
        raise ModelError(f"{path} has {size:,} bytes, more than the {_MAX_FILE:,} that a model file may have.")
    return path


def digest_of(paths: Sequence[Path]) -> bytes:
    """SHA-256 over the content of files.

    Raises:
        ModelError: One cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror or error}); check the file.") from error
    return digest.digest()


def read_description(path: Path) -> Description:
    """The description beside a model file; an empty one if there is none.

    Raises:
        ModelError: It cannot be read, says something impossible, or there are two.
    """
    found = [beside for ending in _ENDINGS if (beside := path.with_suffix(ending)).exists()]
    if len(found) > 1:
        raise ModelError(f"Both {found[0]} and {found[1].name} describe {path.name}; remove one.")
    if not found:
        return Description()
    file = found[0]
    try:
        text = read_bytes(file, _MAX_DESCRIPTION).decode()
        return check_settings(Description, parse_json(text) if file.suffix == ".json" else tomllib.loads(text))
    except (ConfigError, RunError) as error:
        raise ModelError(f"{file}, which describes {path.name}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file}, which describes {path.name}, cannot be read ({error}); mend it.") from error


def settle_input(
    path: Path, dims: Sequence[int | None] | None, said: Description, *, channels: int | None = None
) -> Input:
    """What a network takes, by its file and by the description.

    Args:
        path: The file.
        dims: The shape of its input, None where it may vary; None if the file does not say.
        said: The description.
        channels: What the file suggests where it does not say.

    Raises:
        ModelError: They contradict each other, or these are no images.
    """
    if dims is None:
        dims = (None,) * 4
    if len(dims) != 4:
        raise ModelError(f"{path.name} takes {len(dims)}-dimensional inputs, not batches of images (4 dimensions).")
    usual: Layout = "nhwc" if dims[3] in (1, 3) and dims[1] not in (1, 3) else "nchw"
    layout = said.layout or usual
    colours, *sides = (dims[3], dims[1], dims[2]) if layout == "nhwc" else (dims[1], dims[2], dims[3])
    size = said.input_size
    wanted = (size, size) if isinstance(size, int) else size or (None, None)
    for what, its, other in (
        ("channels", colours, said.channels),
        ("height", sides[0], wanted[0]),
        ("width", sides[1], wanted[1]),
    ):
        if its is not None and other is not None and its != other:
            raise ModelError(f"{path.name} takes images of {what} {its}, but its description says {other}; mend that.")
    count = colours or said.channels or channels or 3
    if count not in (1, 3):
        raise ModelError(f"{path.name} takes images of {count} channels, but images here have 1 (gray) or 3 (RGB).")
    height, width = (its or other for its, other in zip(sides, wanted, strict=True))
    if height is None or width is None:
        height, width = height or _USUAL_SIZE, width or _USUAL_SIZE
        log.warning(
            "%s does not say the size of its images; %dx%d is assumed, unless input_size in %s says otherwise.",
            path.name, height, width, path.with_suffix(_ENDINGS[0]),
        )  # fmt: skip
    return Input(count, (height, width), layout)


def make_classifier(
    path: Path,
    network: FileNetwork,
    taken: Input,
    said: Description,
    *,
    metadata: Mapping[str, str],
    device: str,
    crops: Crops,
    chunk: int | None = None,
) -> Classifier:
    """The classifier of a model file.

    Args:
        path: The file.
        network: What it holds.
        taken: What that takes.
        said: The description beside it.
        metadata: What the file says of itself; "class_names" is a JSON list.
        device: Where it is to be.
        crops: 1, or 10.
        chunk: Images per pass; chosen by their size if None.

    Raises:
        ModelError: It does not do what it is said to.
    """
    beside = path.with_suffix(_ENDINGS[0])
    values = said.model_dump(include={"mean", "std", "scale", "value_range"})
    if all(value is None for value in values.values()):
        values |= _IMAGENET if taken.channels == 3 else {}
        assumed = "RGB with ImageNet's mean and std" if taken.channels == 3 else "gray in [0, 1]"
        log.warning(
            "%s does not say how images are to be normalised; %s is assumed, unless mean, std, scale or value_range in %s "
            "say otherwise.", path.name, assumed, beside,
        )  # fmt: skip
    values |= {
        "channels": taken.channels,
        "input_size": taken.size,
        "layout": taken.layout,
        "channel_order": said.channel_order,
        "resize_size": said.resize_size,
        "interpolation": said.interpolation,
        "outputs": said.outputs or "logits",
    }
    try:
        settled = Preprocessing.settle(**values, image_size=None, crops=1)
        tried = try_out(Adapted(network, settled, torch.device("cpu")).infer, settled, torch.device("cpu"), path.name)
        if said.outputs is None and are_probabilities(tried):
            values["outputs"] = "probabilities"
        return Classifier(
            network,
            **values,
            class_names=said.class_names or stored_names(metadata, tried.shape[1]),
            crops=crops,
            device=device,
            name=path.name,
            chunk=chunk,
        )
    except ModelError as error:
        raise ModelError(f"{str(error).rstrip('.')}; what a model takes and returns is said in {beside}.") from error


def names_in(text: str) -> str | None:
    """Class names that a file lists, as a JSON list: from JSON or a Python literal, a list or a mapping by index."""
    for read in (parse_json, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(value, dict):
            value = [value.get(index, value.get(str(index))) for index in range(len(value))]
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return json.dumps(value)
    return None
