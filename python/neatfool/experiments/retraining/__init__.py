"""Retraining against fooling images, again and again."""

from neatfool.experiments.retraining.measure import RetrainResult, RetrainSettings, Round, resume_retrain, retrain
from neatfool.experiments.retraining.page import write_rounds

__all__ = ["RetrainResult", "RetrainSettings", "Round", "resume_retrain", "retrain", "write_rounds"]
