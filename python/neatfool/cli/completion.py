"""What the shell offers as the name of a model. Whoever presses the key waits, so neither torch nor timm is imported."""

import importlib.util
import re
from pathlib import Path

_NAMES = Path(__file__).with_name("model_names.txt")
_TIMM = "timm:"
_REGISTERED = re.compile(r"^@register_model\s+def (\w+)", re.MULTILINE)


def model_names(incomplete: str) -> list[str]:
    """The names that begin with a text, and prefixes of those not listed; timm's own once its prefix is written."""
    if incomplete.startswith(_TIMM):
        return [name for name in (f"{_TIMM}{one}" for one in _timm_names()) if name.startswith(incomplete)]
    return [name for name in _NAMES.read_text().split() if name.startswith(incomplete)]


def _timm_names() -> list[str]:
    """The models of timm, as its source says."""
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        return []
    files = (Path(found.origin).parent / "models").glob("*.py")
    return sorted(name for file in files for name in _REGISTERED.findall(file.read_text(encoding="utf-8")))
