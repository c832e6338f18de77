"""The networks that ship with the package, and how every classifier is loaded by its name."""

from neatfool.models.loading import ModelInfo, as_classifier, list_models, load_classifier
from neatfool.models.saving import save_classifier

__all__ = ["ModelInfo", "as_classifier", "list_models", "load_classifier", "save_classifier"]
