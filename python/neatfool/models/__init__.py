"""The networks that ship with the package, and how every classifier is loaded by its name."""

from neatfool.classifiers.saving import save_classifier
from neatfool.models.config import ModelConfig
from neatfool.models.loading import ModelInfo, as_classifier, list_models, load_classifier

__all__ = ["ModelConfig", "ModelInfo", "as_classifier", "list_models", "load_classifier", "save_classifier"]
