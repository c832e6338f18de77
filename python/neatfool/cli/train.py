"""`neatfool train`."""
def command() -> None:
    """Train."""
