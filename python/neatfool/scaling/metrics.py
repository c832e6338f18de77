"""What a crew does, as metrics of Ray, for its dashboard and for Prometheus."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

_SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100]


class Metrics:
    """Metrics whose names begin with `neatfool_`; an `Observer`."""

    def __init__(self) -> None:
        self._images = Counter("neatfool_images", "Images judged.")
        self._redone = Counter("neatfool_pieces_redone", "Pieces of work done again because their worker died.")
        self._workers = Gauge("neatfool_workers", "Workers that are ready.")
        self._seconds = Histogram(
            "neatfool_piece_seconds", "From handing out a piece of work to its confidences.", boundaries=_SECONDS
        )

    def done(self, size: int, seconds: float) -> None:
        """See `Observer.done`."""
        self._images.inc(size)
        self._seconds.observe(seconds)

    def redone(self) -> None:
        """See `Observer.redone`."""
        self._redone.inc()

    def workers(self, count: int) -> None:
        """See `Observer.workers`."""
        self._workers.set(count)
