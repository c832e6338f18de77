"""The paper's rows, side by side with ours."""

from neatfool.experiments.reproduction.measure import Row, reproduce

__all__ = ["Row", "reproduce"]
