"""What a run was made against, and whether that is what it goes on with."""

from __future__ import annotations

from typing import Any

from neatfool.classifiers import Classifier
from neatfool.errors import ModelError, RunError
from neatfool.models import ModelConfig
from neatfool.models.naming import runs_code
from neatfool.runs.folder import RunFolder


def describe(judge: Any, *, command: str) -> dict[str, Any]:
    """The manifest fields that say what a run is made against.

    Args:
        judge: a classifier, or anything else with a name, image_shape and class_names.
        command: the command that makes the run.
    """
    fields: dict[str, Any] = {
        "command": command,
        "model": judge.name,
        "class_names": list(judge.class_names),
        "image_shape": judge.image_shape,
    }
    if isinstance(judge, Classifier):
        fields |= {
            "preprocessing": judge.preprocessing(),
            "weights_hash": judge.weights_hash(),
            "fingerprint": judge.fingerprint(),
        }
    return fields


def load_model(folder: RunFolder, model: ModelConfig) -> Classifier:
    """The classifier that the settings in a run folder name.

    Raises:
        ModelError: it cannot be loaded, or it is code that a stranger's folder names.
    """
    check_trust(folder, model)
    return model.load()


def check_trust(folder: RunFolder, model: ModelConfig) -> None:
    """Raises ModelError if a folder names code as its model that neither was named here nor is vouched for."""
    if runs_code(model.name) and not folder.trusted:
        raise ModelError(
            f"The run {folder.path} names {model.name} as its model, and loading that can run code; if you know where the "
            "folder comes from, pass --trust (from Python, RunFolder.open(path, trust=True) or judge=...)."
        )


def check_same(folder: RunFolder, judge: Any) -> None:
    """Raises RunError, saying what to do, if a run was made against another classifier or judge."""
    manifest = folder.manifest
    if not isinstance(judge, Classifier) or manifest.weights_hash is None:
        same = (
            manifest.weights_hash is None
            and not isinstance(judge, Classifier)
            and tuple(judge.image_shape) == manifest.image_shape
            and tuple(judge.class_names) == manifest.class_names
        )
        if not same:
            raise RunError(f"The run {folder.path} was judged by {manifest.model}, not by {judge.name}; pass that.")
        return
    if tuple(judge.image_shape) != manifest.image_shape:
        raise RunError(
            f"The run {folder.path} has images of shape {manifest.image_shape}, but {judge.name} takes {judge.image_shape}; "
            "pass the classifier it was made against."
        )
    if tuple(judge.class_names) != manifest.class_names:
        raise RunError(
            f"The run {folder.path} has other classes than {judge.name}; pass the classifier it was made against."
        )
    if judge.weights_hash() != manifest.weights_hash:
        raise RunError(
            f"The run {folder.path} was made against other weights of {manifest.model}; put back the weights it was "
            f"started with ({_stored_weights(folder)})."
        )
    # Runs of schema 1 say no more than the weights.
    if manifest.fingerprint is not None and judge.fingerprint() != manifest.fingerprint:
        raise RunError(
            f"The run {folder.path} was made against {manifest.model} with other preprocessing, class names, layers, "
            "backend or precision; use what it was started with."
        )


def _stored_weights(folder: RunFolder) -> str:
    model = folder.config.get("model")
    weights = model.get("weights") if isinstance(model, dict) else None
    return str(weights)[:1000] if weights else "built in"
