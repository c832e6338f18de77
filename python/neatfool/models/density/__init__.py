"""A generative classifier for MNIST: a normalised density p(x, y) of images and classes."""

from neatfool.models.density.fitting import fit_density
from neatfool.models.density.model import DensityModel, bits_per_dimension, log_joint, log_likelihood
from neatfool.models.density.rejection import FALSE_REJECTION, REJECTED, Rejection, Thresholds

__all__ = [
    "FALSE_REJECTION",
    "REJECTED",
    "DensityModel",
    "Rejection",
    "Thresholds",
    "bits_per_dimension",
    "fit_density",
    "log_joint",
    "log_likelihood",
]
