"""The paper's experiments beyond evolution itself."""

from neatfool.experiments.generative import Hypothesis, hypothesis

__all__ = ["Hypothesis", "hypothesis"]
