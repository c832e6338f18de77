"""Ctrl-C: the first ends a run tidily, the second at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from neatfool.cli.output import stderr

STOPPING = "Stopping; what is done is kept. Press Ctrl-C again to stop at once."
FINISHING = "Finishing this generation and writing a checkpoint; press Ctrl-C again to stop at once."


@contextmanager
def graceful_interrupt(message: str = FINISHING) -> Iterator[Callable[[], bool]]:
    """Lets the first Ctrl-C only set a flag; the second raises KeyboardInterrupt as usual.

    Args:
        message: what to say at the first.

    Yields:
        What tells whether Ctrl-C was pressed.
    """
    pressed = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stderr.print(message)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
