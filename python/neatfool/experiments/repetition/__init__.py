"""Repeated elements: does every copy of a motif make the classifier surer?"""

from neatfool.experiments.repetition.measure import ClassRepetition, RepetitionResult, repeat
from neatfool.experiments.repetition.page import write_repetition

__all__ = ["ClassRepetition", "RepetitionResult", "repeat", "write_repetition"]
