"""Repeated elements: does every copy of a motif make the classifier surer?"""

from neatfool.experiments.repetition.measure import repeat
from neatfool.experiments.repetition.result import ClassRepetition, RepetitionResult

__all__ = ["ClassRepetition", "RepetitionResult", "repeat"]
