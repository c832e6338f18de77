"""Retraining against fooling images, again and again."""

from neatfool.experiments.retraining.figure import write_rounds
from neatfool.experiments.retraining.measure import RetrainResult, RetrainSettings, Round, resume_retrain, retrain

__all__ = ["RetrainResult", "RetrainSettings", "Round", "resume_retrain", "retrain", "write_rounds"]
