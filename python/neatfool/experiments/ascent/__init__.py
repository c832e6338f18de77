"""Gradient ascent on a class unit: the paper's second way to images that fool a classifier."""

from neatfool.experiments.ascent.measure import ascend, resume_ascent
from neatfool.experiments.ascent.result import THRESHOLDS, AscentResult
from neatfool.experiments.ascent.settings import PRESETS, AscentSettings

__all__ = ["PRESETS", "THRESHOLDS", "AscentResult", "AscentSettings", "ascend", "resume_ascent"]
