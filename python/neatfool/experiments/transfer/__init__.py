"""Transfer: do images evolved to fool one classifier fool others too?"""

from neatfool.experiments.transfer.images import FoolingImages, fit_images, read_fooling_images
from neatfool.experiments.transfer.measure import TransferMatrix, TransferResult, transfer, transfer_matrix

__all__ = [
    "FoolingImages",
    "TransferMatrix",
    "TransferResult",
    "fit_images",
    "read_fooling_images",
    "transfer",
    "transfer_matrix",
]
