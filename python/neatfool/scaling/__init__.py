"""Many processors and machines: classifiers in worker processes of a Ray cluster."""

from neatfool.scaling.judge import RayJudge

__all__ = ["RayJudge"]
