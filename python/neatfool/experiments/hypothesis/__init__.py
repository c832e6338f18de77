"""The paper's hypothesis: is a generative model fooled too?"""

from neatfool.experiments.hypothesis.measure import hypothesis, resume_hypothesis
from neatfool.experiments.hypothesis.result import Hypothesis

__all__ = ["Hypothesis", "hypothesis", "resume_hypothesis"]
