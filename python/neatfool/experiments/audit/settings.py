"""The settings of an audit, and the protocol that makes audits of different classifiers comparable."""

from __future__ import annotations

from pydantic import Field

from neatfool.models import ModelConfig
from neatfool.shared.settings import Settings

COMMAND = "audit"

PROTOCOL = "neatfool-audit-1"
"""Grows whenever a change to the attacks or to the score could change anybody's score."""

ATTACKS = ("cppn", "direct", "gradient")
CLASSES = 10
"""Different classes that each attack is to find images of, or all where there are fewer; as many for every classifier."""

FOOLED = 0.99
"""Confidence from which on a classifier is taken to be fooled. Over a half, it makes the class the most likely one, too."""


class AuditConfig(Settings):
    """Everything that determines the result of an audit.

    Attributes:
        model: the classifier.
        data: folder of real, labelled images; None for none.
        budget: passes of each attack for each class. Scores of different budgets do not compare.
        seeds: how often each attack is done, with other random numbers and, where there are enough, other classes.
    """

    model: ModelConfig = ModelConfig()
    data: str | None = None
    budget: int = Field(default=500, ge=10, le=1_000_000)
    seeds: int = Field(default=3, ge=1, le=100)
