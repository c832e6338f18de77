"""What a density model does with images unlike its digits."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Rejection = Literal["none", "low", "typical"]
"""What a density model does with images unlike its digits.

"none": nothing. "low": the class "rejected" stands for images less probable than a threshold t; its logit is log t, as if
they came from a source that gives every image the probability t. "typical": also for images more probable than digits
are, such as blank ones (Nalisnick et al. 2019); the logit is log(t1 + p(x)^2 / t2), which overtakes log p(x) below t1 and
above t2. An image at a threshold thus is half rejected, and one a few nats further in or out is not, or wholly.
"""

REJECTED = "rejected"
FALSE_REJECTION = 0.01
"""Share of real images that the stored thresholds reject."""


class Thresholds(NamedTuple):
    """Bounds on log p(x) in nats."""

    low: float
    """The one-sided test rejects what lies below."""
    typical_low: float
    """The two-sided test rejects what lies below, and"""
    typical_high: float
    """what lies above."""

    @classmethod
    def of(cls, log_likelihood: npt.NDArray[np.float64]) -> "Thresholds":
        """Thresholds that reject `FALSE_REJECTION` of real images, the two-sided test half of that on either side.

        Args:
            log_likelihood: log p(x) of real images that the model was not trained on, float64 (N,).
        """
        half = FALSE_REJECTION / 2
        return cls(*np.quantile(log_likelihood, (FALSE_REJECTION, half, 1 - half)).tolist())
