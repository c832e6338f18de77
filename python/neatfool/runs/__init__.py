"""The run folder: everything a run leaves on disk, written so that a crash at any moment leaves it readable."""

from neatfool.runs.checkpoint import expect
from neatfool.runs.folder import Elite, RunFolder, default_path, setting_name
from neatfool.runs.manifest import COMMAND_LINE_LIMIT, SCHEMA_VERSION, Manifest

__all__ = [
    "COMMAND_LINE_LIMIT",
    "SCHEMA_VERSION",
    "Elite",
    "Manifest",
    "RunFolder",
    "default_path",
    "expect",
    "setting_name",
]
