"""Retraining against fooling images, again and again."""

from neatfool.experiments.retraining.measure import resume_retrain, retrain
from neatfool.experiments.retraining.result import RetrainResult
from neatfool.experiments.retraining.rounds import Round
from neatfool.experiments.retraining.settings import PRESETS, RetrainConfig, RetrainSettings

__all__ = ["PRESETS", "RetrainConfig", "RetrainResult", "RetrainSettings", "Round", "resume_retrain", "retrain"]
