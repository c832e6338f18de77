"""The Fourier parametrisation: steps are taken in a scaled spectrum and decorrelated colours.

Olah et al. (2017), "Feature visualization"; the colour matrix is that of its code, lucid. As the parametrisation is a
linear map, an image x needs no parameters beside it: a step z of the parameters moves it by `to_pixels(z)`.
"""

from __future__ import annotations

import torch
from torch import Tensor

_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of red, green and blue in ImageNet."""


class Fourier:
    """The map from a scaled spectrum to pixels, and its transpose.

    Scaled so that independent parameters of variance 1 give pixels of variance about 1.

    Args:
        shape: (C, H, W) of the images; for three channels the colours are decorrelated too.
        device: where the images are.
    """

    def __init__(self, shape: tuple[int, int, int], device: torch.device) -> None:
        channels, height, width = shape
        self._size = (height, width)
        vertical, horizontal = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
        frequency = torch.hypot(vertical[:, None], horizontal).clamp_min(1 / max(height, width))
        # The real transform leaves out the mirror images of these columns; its transpose counts them.
        self._twice = torch.full((width // 2 + 1,), 2.0)
        self._twice[0] = 1
        if width % 2 == 0:
            self._twice[-1] = 1
        power = (self._twice**2 * frequency**-2).sum() / (height * width)
        self._scale = (1 / (frequency * power.sqrt())).to(device)
        self._twice = self._twice.to(device)
        self._colours = None
        if channels == 3:
            matrix = torch.tensor(_COLOURS)
            self._colours = (matrix / matrix.square().sum(1).mean().sqrt()).to(device)

    def to_pixels(self, parameters: Tensor) -> Tensor:
        """Pixels (N, C, H, W) of parameters (N, C, H, W // 2 + 1, 2): real and imaginary parts."""
        spectrum = torch.view_as_complex(parameters.contiguous()) * self._scale
        pixels: Tensor = torch.fft.irfft2(spectrum, s=self._size, norm="ortho")
        return pixels if self._colours is None else torch.einsum("rc,nchw->nrhw", self._colours, pixels)

    def to_parameters(self, gradient: Tensor) -> Tensor:
        """The transpose of `to_pixels`: from a gradient with respect to pixels to that with respect to parameters."""
        if self._colours is not None:
            gradient = torch.einsum("rc,nrhw->nchw", self._colours, gradient)
        spectrum = torch.fft.rfft2(gradient, norm="ortho") * (self._scale * self._twice)
        return torch.view_as_real(spectrum)
