"""The paper's rows, side by side with ours."""

from neatfool.experiments.reproduction.measure import reproduce, resume_reproduction
from neatfool.experiments.reproduction.result import Reproduction, Row

__all__ = ["Reproduction", "Row", "reproduce", "resume_reproduction"]
