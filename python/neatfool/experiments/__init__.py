"""Experiments with fooling images, beyond evolving them."""

from neatfool.experiments.retraining import RetrainResult, RetrainSettings, Round, resume_retrain, retrain
from neatfool.experiments.rounds import write_rounds

__all__ = ["RetrainResult", "RetrainSettings", "Round", "resume_retrain", "retrain", "write_rounds"]
