"""What else the paper did with images that fool a classifier."""

from neatfool.experiments.ascent import AscentResult, AscentSettings, ascend, resume_ascent
from neatfool.experiments.diversity import DiversityResult, diversity, hierarchy_similarity
from neatfool.experiments.hypothesis import Hypothesis, hypothesis
from neatfool.experiments.repetition import ClassRepetition, RepetitionResult, repeat
from neatfool.experiments.reproduction import Row, reproduce
from neatfool.experiments.retraining import (
    RetrainResult,
    RetrainSettings,
    Round,
    resume_retrain,
    retrain,
    write_rounds,
)
from neatfool.experiments.transfer import (
    FoolingImages,
    TransferMatrix,
    TransferResult,
    read_fooling_images,
    transfer,
    transfer_matrix,
)

__all__ = [
    "AscentResult",
    "AscentSettings",
    "ClassRepetition",
    "DiversityResult",
    "FoolingImages",
    "Hypothesis",
    "RepetitionResult",
    "RetrainResult",
    "RetrainSettings",
    "Round",
    "Row",
    "TransferMatrix",
    "TransferResult",
    "ascend",
    "diversity",
    "hierarchy_similarity",
    "hypothesis",
    "read_fooling_images",
    "repeat",
    "reproduce",
    "resume_ascent",
    "resume_retrain",
    "retrain",
    "transfer",
    "transfer_matrix",
    "write_rounds",
]
