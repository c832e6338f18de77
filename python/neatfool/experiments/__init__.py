"""The paper's further experiments."""

from neatfool.experiments.diversity import DiversityResult, diversity
from neatfool.experiments.hierarchy import hierarchy_similarity
from neatfool.experiments.images import FoolingImages, read_fooling_images
from neatfool.experiments.transfer import TransferMatrix, TransferResult, transfer, transfer_matrix

__all__ = [
    "DiversityResult",
    "FoolingImages",
    "TransferMatrix",
    "TransferResult",
    "diversity",
    "hierarchy_similarity",
    "read_fooling_images",
    "transfer",
    "transfer_matrix",
]
