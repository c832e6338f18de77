"""ONNX files and OpenVINO's own, which OpenVINO runs: to judge by, without gradients."""

import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from neatfool.classifiers.backends import openvino_requests
from neatfool.classifiers.building import Weights
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.devices import default_chunk
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.sources.files import (
    FileNetwork,
    check_model_file,
    digest_of,
    make_classifier,
    names_in,
    read_description,
    settle_input,
)
from neatfool.errors import ModelError
from neatfool.shared.text import reason

_PARTS = 4
_NAMES = (("framework", "class_names"), ("framework", "names"), ("model_info", "labels"))
"""Where class names are looked for: the metadata of an ONNX file, and what tools for OpenVINO write into theirs."""
_LOCATION = re.compile(rb"\x08location\x12([\x01-\x7f])")
"""Before the name of a file that holds weights of an ONNX file, and the length of that name."""


class OpenVinoNetwork(nn.Module):
    """A compiled graph, on the CPU: float32 batches in; a tensor out, or tensors by name if there are several.

    Every part is worked on by one thread, so that the number of threads changes no bit.
    """

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self._part: int = graph.inputs[0].shape[0]
        self._names = [next(iter(sorted(output.names)), str(index)) for index, output in enumerate(graph.outputs)]
        self._requests = openvino_requests(graph, _PARTS, "float32")

    def forward(self, x: Tensor) -> Any:
        """The graph's outputs."""
        filled = pad(x.detach(), (0, 0) * (x.ndim - 1) + (0, -len(x) % self._part)).contiguous()
        parts = torch.split(filled, self._part)
        found: list[list[np.ndarray[Any, Any]]] = [[] for _ in self._names]
        for start in range(0, len(parts), len(self._requests)):
            group = parts[start : start + len(self._requests)]
            for request, part in zip(self._requests, group, strict=False):
                request.start_async([part.numpy()], share_inputs=True)
            for request, _ in zip(self._requests, group, strict=False):
                request.wait()
                for index, rows in enumerate(found):
                    rows.append(np.array(request.get_output_tensor(index).data))
        tensors = [torch.from_numpy(np.concatenate(rows))[: len(x)] for rows in found]
        return dict(zip(self._names, tensors, strict=True)) if len(tensors) > 1 else tensors[0]


def load_openvino(name: str, *, weights: Weights, device: str, crops: Crops) -> Classifier:
    """An .onnx file, or an .xml file with its .bin, see `load_classifier`. A batch size that it fixes divides the chunk.

    Raises:
        ModelError: OpenVINO is not installed, the file cannot be loaded, or it does not do what its description says.
    """
    path = check_model_file(name, weights)
    if device not in ("auto", "cpu"):
        raise ModelError(f"{path.name} is run by OpenVINO on the CPU; take --device cpu.")
    said = read_description(path)
    digest = digest_of([path, *_companions(path)])
    graph = _read(path)
    if len(graph.inputs) != 1:
        raise ModelError(f"{path.name} takes {len(graph.inputs)} inputs; export a model that takes images alone.")
    kind = graph.inputs[0].element_type.get_type_name()
    if kind != "f32":
        raise ModelError(f"{path.name} takes inputs of type {kind}; export a model that takes float32 (f32).")
    shape = graph.inputs[0].partial_shape
    if shape.rank.is_dynamic:
        raise ModelError(f"{path.name} does not say how many dimensions its input has; export a model that does.")
    dims = [side.get_length() if side.is_static else None for side in shape]
    taken = settle_input(path, dims, said)
    part = dims[0] or -(-default_chunk(taken.size, torch.device("cpu")) // _PARTS)
    try:
        if None in dims:
            graph.reshape(list(taken.shape(part)))
        network = OpenVinoNetwork(graph)
    except Exception as error:
        raise ModelError(
            f"OpenVINO cannot run {path.name} on images {taken.size} ({reason(error)}); check them."
        ) from error
    module = FileNetwork(network, digest, gradients=False)
    return make_classifier(
        path, module, taken, said, metadata=_metadata(graph), device="cpu", crops=crops, chunk=_PARTS * part
    )


def _read(path: Path) -> Any:
    try:
        from openvino.frontend import FrontEndManager
    except ImportError as error:
        raise ModelError(f"{path.name} is run by OpenVINO; install it with pip install 'neatfool[onnx]'.") from error
    try:
        # By name, because OpenVINO would try readers of other formats on bytes that are no such file.
        reader = FrontEndManager().load_by_framework("ir" if path.suffix.lower() == ".xml" else "onnx")
        return reader.convert(reader.load(str(path)))
    except Exception as error:
        raise ModelError(f"OpenVINO cannot read {path} ({reason(error)}); export or fetch it again.") from error


def _companions(path: Path) -> list[Path]:
    """The other files that hold a model's weights, which lie beside it.

    Raises:
        ModelError: One is missing, or lies elsewhere.
    """
    if path.suffix.lower() == ".xml":
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise ModelError(f"There is no {weights}, which holds the weights of {path.name}.")
        return [weights]
    if not path.stat().st_size:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = {content[one.end() : one.end() + one[1][0]] for one in _LOCATION.finditer(content)}
    found = [path.parent / name.decode(errors="replace") for name in sorted(names)]
    for one in found:
        if not one.resolve().is_relative_to(path.parent.resolve()) or not one.is_file():
            raise ModelError(f"{path.name} keeps weights in {one}, which is no file beside it; put it there.")
    return found


def _metadata(graph: Any) -> dict[str, str]:
    for where in _NAMES:
        if graph.has_rt_info(list(where)):
            value = str(graph.get_rt_info(list(where)).value)
            names = names_in(value)
            if names:
                return {"class_names": names}
    return {}
