"""The paper's hypothesis: is a generative model fooled too?"""

from neatfool.experiments.hypothesis.measure import Hypothesis, hypothesis

__all__ = ["Hypothesis", "hypothesis"]
