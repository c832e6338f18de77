"""Questions about a torch module's layers, and seeds for building one."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


def last_layer(module: nn.Module, outputs: int) -> tuple[str, nn.Linear | nn.Conv2d] | None:
    """The name and the module of the last linear layer or 1x1 convolution, as defined, with this many outputs."""
    for name, layer in reversed(list(module.named_modules())):
        is_last = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))
        if is_last and len(layer.weight) == outputs:
            return name, layer
    return None


def best_layout(module: nn.Module) -> torch.memory_format:
    """The memory format in which the module is fastest.

    Channels-last makes convolutional networks about twice as fast on a CPU, and is what a GPU's tensor cores want for 16-bit
    numbers. It slows those down that start by cutting the image into large patches (ViT).
    """
    first = next((layer for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    if first is None:
        return torch.contiguous_format
    large_patches = first.kernel_size == first.stride and first.kernel_size[0] > 8
    return torch.contiguous_format if large_patches else torch.channels_last


@contextlib.contextmanager
def inputs_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """The last input of a layer, as the only member of a list, while its network runs."""
    seen: list[Tensor] = []

    def keep(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[:] = [inputs[0]]

    hook = layer.register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        hook.remove()


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seeds torch's own generators of the CPU and of a CUDA device, and afterwards puts them back as they were."""
    cuda = [] if device is None or device.type != "cuda" else [device.index or 0]
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield
