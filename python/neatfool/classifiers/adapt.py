"""What lies between images and a module: order and layout of the channels, normalisation, and what it returns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neatfool.classifiers.layers import best_layout
from neatfool.classifiers.outputs import as_columns, pick_outputs
from neatfool.classifiers.preprocessing import Preprocessing


class Adapted:
    """A module as everything else sees it: RGB or gray pixels in [0, 255] go in, a column for each class comes out.

    The module is taken over: moved to the device, switched to eval mode, without gradients for its parameters.

    Attributes:
        module: float32 in the size, order and layout of `preprocessing` in, outputs out.
    """

    def __init__(self, module: nn.Module, preprocessing: Preprocessing, device: torch.device) -> None:
        self.module = module
        self._preprocessing = preprocessing
        self.place(device)

    def place(self, device: torch.device) -> None:
        """Moves the module to a device."""
        settings = self._preprocessing
        nhwc = settings.layout == "nhwc"
        self._format = torch.channels_last if nhwc else best_layout(self.module)
        self.module.eval().requires_grad_(False)
        self.module.to(device=device)
        if not nhwc:
            self.module.to(memory_format=self._format)
        column = (1, settings.channels, 1, 1)
        mean, std = (torch.tensor(x, dtype=torch.float64).reshape(column) for x in (settings.mean, settings.std))
        self._gain, self._offset = ((x.float().to(device)) for x in (settings.scale / std, -mean / std))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixels (N, channels, *input_size) in [0, 255], of any type, as the module wants them, in float32."""
        if self._preprocessing.channel_order == "bgr":
            pixels = pixels.flip(1)
        pixels = pixels.to(dtype=torch.float32, memory_format=self._format)
        normalised = torch.addcmul(self._offset, pixels, self._gain)
        return normalised.permute(0, 2, 3, 1) if self._preprocessing.layout == "nhwc" else normalised

    def forward(self, pixels: Tensor) -> Tensor:
        """What the module returns for pixels, in the mode it is in: (N, n_classes) once it passed its trial."""
        outputs: Any = as_columns(pick_outputs(self.module(self.normalise(pixels))), self._preprocessing.outputs)
        return outputs  # type: ignore[no-any-return]  # the trial and `ask` look at it

    def infer(self, pixels: Tensor) -> Tensor:
        """`forward` in eval mode, whatever mode the module was left in."""
        if self.module.training:
            self.module.eval()
        return self.forward(pixels)
