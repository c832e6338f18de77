"""What neatfool raises when something the user passed cannot be used.

Every message is one plain sentence that says what is wrong, where, and how to mend it; the command line prints it and
exits with status 2, or 1 where the work had begun and a model failed in it. Arrays of a wrong shape or type raise the
built-in ValueError instead.
"""

from typing import Any


class NeatfoolError(Exception):
    """Base class of the errors below."""


class ModelError(NeatfoolError):
    """A classifier, its weights file or one of its class names cannot be used."""


class JudgeError(ModelError):
    """A classifier, or another judge, failed in the middle of the work, or returned something it may not.

    Attributes:
        images: what it was shown, an array (N, channels, height, width); None where that is not known, or saved already.
    """

    def __init__(self, message: str, *, images: Any = None) -> None:
        super().__init__(message)
        self.images = images


class DataError(NeatfoolError):
    """A data set is missing, damaged or does not fit the classifier."""


class RunError(NeatfoolError):
    """A run folder or one of its files is missing, damaged or of another version."""


class ConfigError(NeatfoolError):
    """A setting has a value it cannot have."""
