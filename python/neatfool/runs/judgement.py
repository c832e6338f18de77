"""What a judge says of the elites at the end of a run: what each is taken for, whatever it was evolved for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neatfool.errors import RunError
from neatfool.shared.files import MIB, parse_json, read_bytes, replacing, to_json

JUDGEMENT = "judgement.json"
JUDGEMENT_LIMIT = 64 * MIB
TOP = 5
"""Classes that are kept of an elite."""
FOOLED = 0.99
"""From this confidence on a class whose image is taken for it counts as fooled."""

Verdict = Literal["fooled", "top-1", "not reached"]

_MAJORITY = 0.5
_SCHEMA = 1
_ROUNDING = 1e-4
"""Confidences may add up to a little more than 1."""


@dataclass(frozen=True)
class Judgement:
    """The classes that the judge is surest of in each elite, n = min(5, classes) of them, the surest first.

    Attributes:
        classes: the class that each elite is of, shape (k,), int64, ascending.
        top_classes: what it is judged to be, shape (k, n), int64.
        top_confidences: how surely, shape (k, n), float32 in [0, 1].
    """

    classes: NDArray[np.int64]
    top_classes: NDArray[np.int64]
    top_confidences: NDArray[np.float32]

    @classmethod
    def of(cls, classes: NDArray[np.int64], scores: NDArray[np.float32]) -> Judgement:
        """The judgement of elites of these classes, given the confidences in all classes, shape (k, all classes)."""
        order = np.argsort(classes)
        return cls(classes[order], *surest(scores[order]))

    def top(self, class_index: int) -> list[tuple[int, float]]:
        """What the elite of a class is judged to be, as (class, confidence); empty where there was none."""
        row = int(np.searchsorted(self.classes, class_index))
        if row == len(self.classes) or self.classes[row] != class_index:
            return []
        return list(zip(self.top_classes[row].tolist(), self.top_confidences[row].tolist(), strict=True))


def surest(scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The at most 5 classes of the highest confidences, shape (k, n), and these, of confidences of shape (k, classes)."""
    top = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    return top, np.take_along_axis(scores, top, axis=1).clip(0, 1)


def verdicts(
    classes: Iterable[int], confidence: Iterable[float], judgement: Judgement | None, *, exclusive: bool
) -> list[Verdict | None]:
    """What became of each class.

    Args:
        classes: their indices.
        confidence: the recorded confidence of the elite of each in it.
        judgement: of the elites; None where a run has none.
        exclusive: whether confidences add up to 1, as those of a classifier do; then half proves the top.

    Returns:
        "fooled" if the class itself is on top, at 0.99 or more both as recorded and when judged again; "top-1" if it is on
        top, "not reached" if another is, and None where nothing tells.
    """
    found: list[Verdict | None] = []
    for class_index, sure in zip(classes, confidence, strict=True):
        top = judgement.top(int(class_index)) if judgement else []
        on_top, again = top[0] if top else (class_index, sure)
        if on_top != class_index:
            found.append("not reached")
        elif top or (exclusive and sure >= _MAJORITY):
            found.append("fooled" if min(sure, again) >= FOOLED else "top-1")
        else:
            found.append(None)
    return found


@dataclass(frozen=True)
class Tally:
    """What became of the classes of a run; None where that is not known.

    Attributes:
        classes: number of classes.
        fooled: those that are fooled.
        top1: those whose image is taken for them, the fooled ones among them.
        not_reached: those whose image is taken for another class.
    """

    classes: int
    fooled: int | None
    top1: int | None
    not_reached: int | None

    @classmethod
    def of(cls, verdicts: Sequence[Verdict | None], *, exclusive: bool) -> Tally:
        """Counts verdicts. Where confidences add up to 1, only those of fooled classes are always known."""
        known = None not in verdicts
        fooled, top1, not_reached = (verdicts.count(one) for one in ("fooled", "top-1", "not reached"))
        return cls(
            len(verdicts),
            fooled if known or exclusive else None,
            fooled + top1 if known else None,
            not_reached if known else None,
        )

    def words(self) -> list[str]:
        """The counts for people, as "19 of 1,000 classes fooled", "4 top-1 only", "977 not reached"; those that are known."""
        words = [] if self.fooled is None else [f"{self.fooled:,} of {self.classes:,} classes fooled"]
        if self.fooled is not None and self.top1 is not None and self.top1 > self.fooled:
            words.append(f"{self.top1 - self.fooled:,} top-1 only")
        if self.not_reached:
            words.append(f"{self.not_reached:,} not reached")
        return words

    def summary(self) -> dict[str, int | None]:
        """The counts as `--json` prints them."""
        return {"classes_fooled": self.fooled, "classes_top1": self.top1}


def write_judgement(path: Path, judgement: Judgement | None) -> None:
    """Replace the file of a judgement, or remove it where elites are about to change.

    Raises:
        RunError: it cannot be written or removed.
    """
    if judgement is None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"{path} cannot be removed: {error.strerror or error}.") from error
        return
    # The shortest numbers that read back as the same float32.
    elites = [
        {
            "class": class_index,
            "top": [[index, float(str(one))] for index, one in zip(indices, confidences, strict=True)],
        }
        for class_index, indices, confidences in zip(
            judgement.classes.tolist(), judgement.top_classes.tolist(), judgement.top_confidences, strict=True
        )
    ]
    with replacing(path) as temporary:
        temporary.write_text(to_json({"schema": _SCHEMA, "elites": elites}) + "\n", encoding="utf-8")


def read_judgement(path: Path, classes: int) -> Judgement | None:
    """The judgement in a file that may come from a stranger; None if there is none.

    Args:
        path: the file.
        classes: number of classes that the judge knows.

    Raises:
        RunError: the file is damaged or of a newer neatfool.
    """
    if not path.exists():
        return None
    try:
        values = parse_json(read_bytes(path, JUDGEMENT_LIMIT))
        if isinstance(values, dict) and isinstance(schema := values.get("schema"), int) and schema > _SCHEMA:
            raise RunError(f"{path} was written by a newer neatfool (schema {schema}); upgrade neatfool to read it.")
        elites = _File.model_validate(values).elites
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _damaged(path, f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from error
    except ValueError as error:
        raise _damaged(path, f"it is not valid JSON, {error}") from error
    wanted = min(TOP, classes)
    if any(len(one.top) != wanted for one in elites):
        raise _damaged(path, f"an elite is not judged to be {wanted} classes")
    shape = (len(elites), wanted)
    own = np.array([one.class_index for one in elites], np.int64)
    top = np.array([index for one in elites for index, _ in one.top], np.int64).reshape(shape)
    confidence = np.array([share for one in elites for _, share in one.top], np.float32).reshape(shape)
    if (own >= classes).any() or (top >= classes).any():
        raise _damaged(path, f"it names a class beyond the {classes:,} that there are")
    if (np.diff(own) <= 0).any() or (np.diff(np.sort(top, axis=1), axis=1) == 0).any():
        raise _damaged(path, "a class stands twice or in the wrong place")
    if (np.diff(confidence, axis=1) > 0).any():
        raise _damaged(path, "the surest class does not come first")
    return Judgement(own, top, confidence.clip(0, 1))


_Index = Annotated[int, Field(strict=True, ge=0, lt=100_000)]
_Share = Annotated[float, Field(strict=True, ge=0, le=1 + _ROUNDING)]


class _Elite(BaseModel):
    model_config = ConfigDict(extra="forbid")

    class_index: _Index = Field(alias="class")
    top: list[tuple[_Index, _Share]]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int = Field(alias="schema", strict=True, ge=_SCHEMA, le=_SCHEMA)
    elites: list[_Elite]


def _damaged(path: Path, what: str) -> RunError:
    return RunError(f"{path} is damaged ({what}); delete it, and the run is shown without.")
