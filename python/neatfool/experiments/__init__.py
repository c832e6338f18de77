"""The paper's other experiments, each on a run or a classifier."""

from neatfool.experiments.repetition import ClassRepetition, RepetitionResult, repeat
from neatfool.experiments.repetition_page import write_repetition

__all__ = ["ClassRepetition", "RepetitionResult", "repeat", "write_repetition"]
