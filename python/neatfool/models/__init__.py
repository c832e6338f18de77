"""The networks that ship with the package, and how every classifier is loaded by its name."""

from neatfool.models.loading import ModelInfo, list_models, load_classifier

__all__ = ["ModelInfo", "list_models", "load_classifier"]
