"""The exceptions that mean: what was passed in is wrong, and here is how to mend it."""


class NeatfoolError(Exception):
    """Base of every error a caller can mend; the message is one plain sentence."""


class ModelError(NeatfoolError):
    """A classifier or its weights cannot be used."""


class DataError(NeatfoolError):
    """A data set cannot be used."""


class RunError(NeatfoolError):
    """A run folder cannot be created, read or continued."""


class ConfigError(NeatfoolError):
    """A setting is out of range or contradicts another."""
