"""What else the paper did with images that fool a classifier."""

from neatfool.experiments.ascent import AscentResult, AscentSettings, ascend, resume_ascent
from neatfool.experiments.diversity import DiversityResult, diversity
from neatfool.experiments.hierarchy import hierarchy_similarity
from neatfool.experiments.images import FoolingImages, read_fooling_images
from neatfool.experiments.transfer import TransferMatrix, TransferResult, transfer, transfer_matrix

__all__ = [
    "AscentResult",
    "AscentSettings",
    "DiversityResult",
    "FoolingImages",
    "TransferMatrix",
    "TransferResult",
    "ascend",
    "diversity",
    "hierarchy_similarity",
    "read_fooling_images",
    "resume_ascent",
    "transfer",
    "transfer_matrix",
]
