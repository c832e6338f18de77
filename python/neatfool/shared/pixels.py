"""Pictures and arrays of pixels, and the one place where image files are decoded, which anybody may have made."""

import os
import stat
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from neatfool.errors import DataError
from neatfool.shared.files import MIB

Pixels = npt.NDArray[np.uint8]
"""One image, uint8 (channels, height, width), 1 channel (gray) or 3 (RGB)."""

MAX_BYTES = 256 * MIB
MAX_PIXELS = 2**27
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow knows more, some of which it hands to other programs."""
_GRAY_MODES = ("1", "L", "LA", "I;16")


def as_picture(pixels: Pixels) -> Image.Image:
    """A picture of uint8 (channels, height, width)."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def as_pixels(picture: Image.Image) -> Pixels:
    """Uint8 (channels, height, width) of a picture in mode L or RGB."""
    pixels = np.array(picture, dtype=np.uint8)
    return pixels[np.newaxis] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def open_picture(
    path: str | os.PathLike[str],
    *,
    channels: int | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Decodes an image file: BMP, GIF, JPEG, PNG, PPM, TIFF or WebP, of several frames the first.

    Args:
        path: A regular file; a pipe or a device is refused, not waited for.
        channels: 1 for gray, 3 for RGB; None for what the file holds, without its transparency.
        max_bytes: Largest file to read.
        max_pixels: Largest picture to decode.

    Returns:
        A picture in mode L or RGB.

    Raises:
        DataError: The file is missing, too large or cannot be decoded.
    """
    path = Path(path)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a regular file")
        if found.st_size > max_bytes:
            raise ValueError(f"{found.st_size:,} bytes, at most {max_bytes:,} are read")
        with Image.open(path, formats=_FORMATS) as file:
            if file.width * file.height > max_pixels:
                raise ValueError(f"{file.width}x{file.height} pixels, at most {max_pixels:,} are read")
            gray = file.mode in _GRAY_MODES if channels is None else channels == 1
            return file.convert("L" if gray else "RGB")
    except Exception as error:  # Pillow lets many kinds of error out on bytes that are no picture
        reason = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0] or type(error).__name__
        raise DataError(f"{path} cannot be read as an image ({reason}); give another file or remove it.") from error


def read_picture(
    path: str | os.PathLike[str],
    *,
    channels: int | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> Pixels:
    """The pixels of `open_picture`, uint8 (channels, height, width).

    Raises:
        DataError: The file is missing, too large or cannot be decoded.
    """
    return as_pixels(open_picture(path, channels=channels, max_bytes=max_bytes, max_pixels=max_pixels))
