"""Ways through a network: plain torch, torch.compile, and OpenVINO, in float32 or in 16 bits."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from neatfool.errors import ModelError

Backend = Literal["torch", "compile", "openvino"]
"""Who runs the network.

"torch": torch as it is. "compile": `torch.compile`, which needs a C++ compiler on a CPU. "openvino": OpenVINO's CPU
runtime (`pip install 'neatfool[openvino]'`). The same image gets the same confidences from all of them but for the last
bits, so a run is continued with the backend it was started with.
"""

Precision = Literal["float32", "bfloat16", "float16"]
"""What the network calculates in, where its operations allow it; the softmax is in float32 always."""

Forward = Callable[[Tensor], Tensor]
"""Pixels (N, channels, *input_size), uint8 or floats in [0, 255], to the network's outputs (N, n_classes)."""

_OPENVINO_PARTS = 4
_OPENVINO_PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def check_choices(name: str, backend: str, precision: str, device: torch.device) -> None:
    """Says what is wrong with a choice of backend and precision.

    Raises:
        ModelError: There is no such backend or precision, or not on this device.
    """
    for what, value, choices in (("backend", backend, Backend), ("precision", precision, Precision)):
        if value not in get_args(choices):
            raise ModelError(f"{name}: {what} must be {', '.join(get_args(choices))}, not {value!r}.")
    if backend == "openvino" and device.type != "cpu":
        raise ModelError(f"{name}: the backend openvino runs on the CPU; take --device cpu or another backend.")


def forward_pass(
    run: Forward, module: nn.Module, example: Tensor, *, name: str, backend: Backend, precision: Precision
) -> Forward:
    """The fast way through a network, for inference alone.

    Args:
        run: The network as torch runs it, preprocessing included.
        module: The module that `run` uses. OpenVINO takes a copy of its weights as they are now.
        example: Pixels of the only shape the pass will see, uint8, on the module's device.
        name: The classifier's name in messages.
        backend: See `Backend`.
        precision: See `Precision`.

    Raises:
        ModelError: The backend is not installed, or cannot run this network.
    """
    if backend == "openvino":
        return _openvino(run, module, example, name, precision)
    if backend == "compile":
        run = torch.compile(run)
    forward = run if precision == "float32" else _autocast(run, example.device.type, getattr(torch, precision))
    if backend == "compile":
        try:
            with torch.inference_mode():
                forward(example)
        except Exception as error:
            raise ModelError(
                f"{name} cannot be compiled ({_first_line(error)}); take another backend, such as torch."
            ) from error
    return forward


def openvino_requests(graph: Any, count: int, precision: Precision) -> list[Any]:
    """Requests that each run a graph of OpenVINO on one thread of the CPU, side by side."""
    import openvino

    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": _OPENVINO_PRECISIONS[precision],
        # Several processes of fewer threads than cores would all hold on to the first cores.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(graph, "CPU", settings)
    return [compiled.create_infer_request() for _ in range(count)]


def openvino_parts(chunk: int) -> int:
    """The number of equal parts that OpenVINO works on a chunk of images in.

    Every part is worked on by one thread, which is faster than many threads on one part, and gives the same bits for any
    number of threads.
    """
    return next(count for count in range(min(_OPENVINO_PARTS, chunk), 0, -1) if chunk % count == 0)


def openvino_graph(run: Forward, module: nn.Module, example: Tensor, name: str) -> Any:
    """The graph of OpenVINO from a part of a chunk of pixels to the network's outputs. It may share the module's memory.

    Args:
        run: The network as torch runs it, preprocessing included.
        module: The module that `run` uses.
        example: Pixels of the only shape the graph will see, uint8.
        name: The classifier's name in messages.

    Raises:
        ModelError: OpenVINO is not installed, or cannot run this network.
    """
    try:
        import openvino
    except ImportError as error:
        raise ModelError(
            f"{name}: the backend openvino needs OpenVINO; install it with pip install 'neatfool[openvino]', or take "
            "the backend torch."
        ) from error
    try:
        return openvino.convert_model(torch.export.export(_Network(run, module).eval(), (example,)))
    except Exception as error:
        raise _cannot_run(name, error) from error


def openvino_forward(requests: Sequence[Any]) -> Forward:
    """A way through a network by requests that each take an equal part of the pixels."""

    def forward(pixels: Tensor) -> Tensor:
        # Held until all are done, because the requests work on this memory itself.
        blocks = pixels.contiguous().chunk(len(requests))
        for request, part in zip(requests, blocks, strict=True):
            request.start_async([part.numpy()], share_inputs=True)
        for request in requests:
            request.wait()
        return torch.from_numpy(np.concatenate([request.get_output_tensor(0).data for request in requests]))

    return forward


class _Network(nn.Module):
    """Preprocessing and network as one module."""

    def __init__(self, run: Forward, module: nn.Module) -> None:
        super().__init__()
        self._run = run
        self.module = module

    def forward(self, pixels: Tensor) -> Tensor:
        return self._run(pixels)


def _autocast(run: Forward, device: str, dtype: torch.dtype) -> Forward:
    def forward(pixels: Tensor) -> Tensor:
        with torch.autocast(device, dtype):
            return run(pixels)

    return forward


def _openvino(run: Forward, module: nn.Module, example: Tensor, name: str, precision: Precision) -> Forward:
    parts = openvino_parts(len(example))
    graph = openvino_graph(run, module, example.chunk(parts)[0], name)
    try:
        return openvino_forward(openvino_requests(graph, parts, precision))
    except Exception as error:
        raise _cannot_run(name, error) from error


def _cannot_run(name: str, error: Exception) -> ModelError:
    return ModelError(f"OpenVINO cannot run {name} ({_first_line(error)}); take another backend, such as torch.")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
