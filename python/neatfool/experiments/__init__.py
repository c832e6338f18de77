"""What else the paper did with images that fool a classifier."""

from neatfool.experiments.ascent import AscentResult, AscentSettings, ascend, resume_ascent

__all__ = ["AscentResult", "AscentSettings", "ascend", "resume_ascent"]
