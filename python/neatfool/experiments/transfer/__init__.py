"""Transfer: do images evolved to fool one classifier fool others too?"""

from neatfool.experiments.transfer.images import FoolingImages, fit_images, read_fooling_images
from neatfool.experiments.transfer.measure import map_classes, transfer, transfer_images
from neatfool.experiments.transfer.result import TransferMatrix, TransferResult

__all__ = [
    "FoolingImages",
    "TransferMatrix",
    "TransferResult",
    "fit_images",
    "map_classes",
    "read_fooling_images",
    "transfer",
    "transfer_images",
]
