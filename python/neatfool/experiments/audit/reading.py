"""Audits read back from their folders, which anybody may have made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neatfool.errors import ConfigError, RunError
from neatfool.experiments.audit.result import Audit
from neatfool.experiments.audit.settings import COMMAND, AuditConfig
from neatfool.experiments.audit.state import by_name, read_attacks
from neatfool.runs import RunFolder, check_command, read_settings
from neatfool.shared.files import MIB, parse_json, read_bytes

_JSON_LIMIT = 64 * MIB

_Share = Annotated[float, Field(ge=0, le=1)]
_Text = Annotated[str, Field(max_length=1000)]


class _Stranger(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Detector(_Stranger):
    """How well a detector does, as `audit.json` says; see `DetectorResult`."""

    name: _Text
    auroc: _Share
    fpr95: _Share
    false_rejection: _Share
    rejected: _Share


class Measured(_Stranger):
    """What `audit.json` says that cannot be calculated from the checkpoint; None where there were no real images."""

    accuracy: _Share | None = None
    ece: _Share | None = None
    detectors: Annotated[list[Detector], Field(max_length=1000)] = []


@dataclass(frozen=True)
class AuditRecord:
    """A finished audit.

    Attributes:
        label: what it is called, different from all others read with it.
        folder: where it is.
        audit: its attacks, from the checkpoint.
        measured: its other numbers, from `audit.json`.
    """

    label: str
    folder: RunFolder
    audit: Audit
    measured: Measured

    def summary(self) -> dict[str, Any]:
        """The numbers that are compared, ready for JSON."""
        audit, score = self.audit, self.audit.score
        return {
            "label": self.label,
            "run": str(self.folder.path),
            "model": audit.model,
            "weights_hash": self.folder.manifest.weights_hash,
            "protocol": audit.protocol,
            "budget": audit.config.budget,
            "seeds": audit.seeds_done,
            "classes": len(audit.class_names),
            "score": score.value,
            "score_low": score.low,
            "score_high": score.high,
            "seed_scores": audit.seed_scores.tolist(),
            "attacks": [one.summary(audit.config.budget) for one in audit.attacks],
            "accuracy": self.measured.accuracy,
            "ece": self.measured.ece,
            "detectors": [one.model_dump() for one in self.measured.detectors],
        }


def read_audits(sources: Sequence[RunFolder | Path | str]) -> list[AuditRecord]:
    """Reads finished audits. Score and curves are calculated from their checkpoints again.

    Raises:
        ConfigError: a folder is given twice.
        RunError: a folder holds no finished audit, or is damaged.
    """
    folders = [RunFolder.of(source) for source in sources]
    places = [folder.path.resolve() for folder in folders]
    for place in places:
        if places.count(place) > 1:
            raise ConfigError(f"{place} is given twice; give each audit once.")
    return [
        AuditRecord(label, folder, _read_audit(folder), _read_measured(folder))
        for label, folder in zip(_labels(folders), folders, strict=True)
    ]


def _read_audit(folder: RunFolder) -> Audit:
    check_command(folder, COMMAND)
    config = read_settings(folder, AuditConfig)
    attacks, names = read_attacks(folder, config)
    if len(attacks) < config.seeds * len(names):
        raise RunError(f"{folder.path} is not finished; go on with `neatfool resume {folder.path}`.")
    manifest = folder.manifest
    return Audit(
        config=config,
        model=manifest.model,
        class_names=manifest.class_names,
        attacks=by_name(attacks, names, manifest.image_shape),
        feeding=None,
        detection=None,
        photographs={},
        complete=True,
        seconds=0.0,
        folder=folder,
    )


def _read_measured(folder: RunFolder) -> Measured:
    path = folder.file("audit.json")
    if not path.exists():
        return Measured()
    try:
        return Measured.model_validate(parse_json(read_bytes(path, _JSON_LIMIT)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))[:100]
        raise RunError(f"{path}: {where or 'its content'}: {first['msg']}; remove the file or audit again.") from error
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON ({error}).") from error


def _labels(folders: Sequence[RunFolder]) -> list[str]:
    """The models' names; of those that share one, with the names of the folders, or with the paths, which differ always."""
    models = [folder.manifest.model for folder in folders]
    names = [folder.path.resolve().name for folder in folders]
    shared = Counter(models)
    labels = [model if shared[model] == 1 else f"{model} ({name})" for model, name in zip(models, names, strict=True)]
    if len(set(labels)) == len(labels):
        return labels
    return [f"{model} ({folder.path})" for model, folder in zip(models, folders, strict=True)]
