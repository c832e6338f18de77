"""Ctrl-C, and what ends a process from outside: the first ends a run tidily, the second at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from neatfool.cli.output import stderr

STOPPING = "Stopping; what is done is kept. Press Ctrl-C again to stop at once."
FINISHING = "Finishing this generation and writing a checkpoint; press Ctrl-C again to stop at once."

_SIGNALS = [one for name in ("SIGINT", "SIGTERM", "SIGHUP") if (one := getattr(signal, name, None)) is not None]


@contextmanager
def graceful_interrupt(message: str = FINISHING) -> Iterator[Callable[[], bool]]:
    """Lets the first Ctrl-C, or a signal to end, only set a flag; the second raises KeyboardInterrupt as usual.

    Args:
        message: what to say at the first.

    Yields:
        What tells whether there was one.
    """
    pressed = False
    # Whoever starts a program with nohup wants it to outlive the terminal.
    signals = [one for one in _SIGNALS if one == signal.SIGINT or signal.getsignal(one) is not signal.SIG_IGN]

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        for one in signals:
            signal.signal(one, signal.default_int_handler)
        stderr.print(message, soft_wrap=True)

    before = {one: signal.signal(one, handle) for one in signals}
    try:
        yield lambda: pressed
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
