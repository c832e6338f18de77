"""The settings of the test of the hypothesis."""

from __future__ import annotations

from pydantic import Field

from neatfool.shared.settings import Settings

COMMAND = "hypothesis"
MODEL = "density-mnist"
DEFENCES = {"none": MODEL, "low": f"{MODEL}-reject", "typical": f"{MODEL}-typical"}
"""The classifiers evolved against: without rejection, with the one-sided and with the two-sided test."""


class HypothesisConfig(Settings):
    """Everything that determines the result: the content of a folder's `config.toml`; see `hypothesis`."""

    data: str
    runs: tuple[str, ...] = ()
    weights: str | None = None
    generations: int = Field(default=100, ge=0, le=2_000_000)
    batch: int = Field(default=200, ge=1, le=1_000_000)
    seed: int = Field(default=0, ge=0, lt=2**64)
    temperature: float = Field(default=1.0, gt=0)
    controls: int = Field(default=500, ge=1, le=1_000_000)
    device: str = "auto"
