"""Where a network runs, and how many images it sees at once there."""

import logging

import torch

from neatfool.errors import ModelError

log = logging.getLogger(__name__)

_SMALL_PIXELS = 64 * 64
_LARGE_PIXELS = 256 * 256


def find_device(device: str | torch.device) -> torch.device:
    """The device of a name: "auto" (CUDA if there is a device, else CPU), "cpu", "cuda" or "cuda:i".

    Raises:
        ModelError: There is no such device.
    """
    cuda = torch.cuda.is_available()
    if device == "auto":
        log.info("Device: %s, chosen automatically.", "cuda" if cuda else "cpu")
        return torch.device("cuda" if cuda else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise ModelError(f"{device!r} is not a device; use auto, cpu, cuda or cuda:0.")
    if found.type == "cuda":
        count = torch.cuda.device_count() if cuda else 0
        if (found.index or 0) >= count:
            raise ModelError(f"There is no device {found} here ({count} CUDA devices were found); use cpu or auto.")
    return found


def default_chunk(input_size: tuple[int, int], device: torch.device) -> int:
    """Images per pass: fast where it was measured, and a divisor of the usual batches of 200 and 400."""
    pixels = input_size[0] * input_size[1]
    if device.type == "cuda":
        return 200 if pixels <= _LARGE_PIXELS else 40
    return 100 if pixels <= _SMALL_PIXELS else 4
