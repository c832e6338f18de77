"""Numbers as people read them, and text that a terminal does not obey."""

from decimal import ROUND_FLOOR, Decimal

_LARGE = 1e6
"""No fraction that anybody means is beyond it, but what a file holds may be."""


def percent(fraction: float) -> str:
    """A fraction as a percentage, always rounded down: less than 1 never reads 100 %, and more than 0 never 0 %."""
    if not abs(fraction) < _LARGE:
        return f"{100 * fraction:.3g} %"
    digits = "0.0001" if 0.99 <= fraction < 1 else "0.01"
    value = (Decimal(repr(float(fraction))) * 100).quantize(Decimal(digits), ROUND_FLOOR)
    if fraction == 1:
        return "100 %"
    return "< 0.01 %" if fraction > 0 and value == 0 else f"{value + 0} %"


def duration(seconds: float) -> str:
    """A time in two units at most, as "40 s", "3 min", or "2 h 10 min"; what takes less than a second takes one."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days {hours % 24} h"


def reason(error: BaseException) -> str:
    """What an exception from a user's code says: its type and the first line of its text, shortened."""
    try:
        text = str(error).strip().partition("\n")[0][:200]
    except Exception:  # it is the user's code that says it
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def printable(text: str) -> str:
    """The text without what a terminal obeys or cannot write: escape sequences, reversed writing, halves of letters."""
    return "".join(one if one.isprintable() or one == "\n" else " " if one.isspace() else "\ufffd" for one in text)
