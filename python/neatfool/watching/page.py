"""The page of a job while it goes on."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import numpy as np

from neatfool.figures.page import SMALL_SIDE, render_html
from neatfool.figures.tiles import picture_uri
from neatfool.shared.files import to_json
from neatfool.shared.pixels import as_picture
from neatfool.shared.progress import Progress, Snapshot
from neatfool.shared.text import percent
from neatfool.watching.server import Answer, PageServer

_SIDE = 112
_AT_ONCE = 16
_MOST_POINTS = 600
_WATCHED = 5.0
"""Seconds after which a page that asked for nothing is closed."""
_FAREWELL = 1.5
"""Seconds in which every open page asks once more; they ask every second."""
_PAUSE = 0.5
_SHARE = 0.02
"""Of the job's time, that pictures for the page may take at most."""


class LivePage:
    """A job's page on this machine, told where the job is as its `progress`.

    Pictures are drawn while somebody looks, between two steps of the job, for about a fiftieth of the time. No result
    depends on it.

    Attributes:
        address: where the page is, on 127.0.0.1 and behind a random token.
    """

    def __init__(self, *, title: str, port: int, places: tuple[Path | str, ...]) -> None:
        self._lock = threading.Lock()
        self._now: Progress | None = None
        self._points: list[tuple[int, float, float, float]] = []
        self._tiles: dict[int, dict[str, Any]] = {}
        self._versions: dict[int, int] = {}
        self._changes = 0
        self._pixelated = False
        self._places = places
        self._end: str | None = None
        self._begun = time.monotonic()
        self._asked = -math.inf
        self._due = 0.0
        self._page = render_html(Path(__file__).parent / "page.html.j2", title=title).encode()
        self._server = PageServer(self._answer, port=port)
        self.address = self._server.address

    def __call__(self, now: Progress) -> None:
        """Take note of where the job is."""
        with self._lock:
            self._now = now
            self._add_point(now)
            moment = time.monotonic()
            if now.snapshot is None or moment < self._due or moment - self._asked > _WATCHED:
                return
        self._draw(now.snapshot(), most=_AT_ONCE)
        done = time.monotonic()
        self._due = done + max(_PAUSE, (done - moment) / _SHARE)

    def close(self, error: type[BaseException] | None = None) -> None:
        """Tell the page that the job has ended, and serve no more.

        Args:
            error: what it ended with, if that was no good end.
        """
        now, watched = self._now, time.monotonic() - self._asked < _WATCHED
        if watched and now is not None and now.snapshot is not None and error is None:
            self._draw(now.snapshot(), most=None)
        with self._lock:
            self._end = self._farewell(now, error=error is not None)
        try:
            # Whoever interrupts twice waits for nobody.
            if watched and error is not KeyboardInterrupt:
                time.sleep(_FAREWELL)
        finally:
            self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(kind)

    def _farewell(self, now: Progress | None, *, error: bool) -> str:
        if error:
            return "The run ended with an error, of which the terminal says more. This is its last state."
        left = now is None or now.done != now.total
        where = f" Its results are in {' and '.join(map(str, self._places))}." if self._places else ""
        return ("The run was stopped; it can be resumed." if left else "The run has ended.") + where

    def _add_point(self, now: Progress) -> None:
        row = now.metrics
        x = next((row[key] for key in ("round", "evaluations", "generation") if isinstance(row.get(key), int)), None)
        values = [row.get(key) for key in ("median_confidence", "mean_confidence", "min_confidence")]
        if x is None or None in values or (self._points and x <= self._points[-1][0]):
            return
        if len(self._points) >= _MOST_POINTS:
            self._points = self._points[::2]
        self._points.append((x, *values))

    def _draw(self, snapshot: Snapshot, *, most: int | None) -> None:
        """Draws what changed, longest waiting first; the least waiting wait on if there are more than `most`."""
        versions = dict(zip(snapshot.classes.tolist(), snapshot.versions.tolist(), strict=True))
        changed = [row for row, index in enumerate(versions) if self._versions.get(index) != versions[index]]
        classes = snapshot.classes.tolist()
        changed.sort(key=lambda row: self._tiles[classes[row]]["change"] if classes[row] in self._tiles else 0)
        chosen = np.array(changed[:most], np.int64)
        if not len(chosen):
            return
        for row, pixels in zip(chosen.tolist(), snapshot.pixels(chosen), strict=True):
            index, sure = classes[row], float(snapshot.confidence[row])
            tile = {
                "class": index,
                "name": snapshot.class_names[row],
                "confidence": sure,
                "percent": percent(sure),
                "picture": picture_uri(as_picture(pixels), _SIDE),
            }
            with self._lock:
                self._changes += 1
                self._tiles[index] = tile | {"change": self._changes}
                self._versions[index] = versions[index]
                self._pixelated = max(pixels.shape[1:]) <= SMALL_SIDE

    def _answer(self, name: str, query: str) -> Answer | None:
        if name == "":
            return Answer("text/html; charset=utf-8", self._page)
        if name != "state":
            return None
        after = parse_qs(query).get("after", ["0"])[0]
        state = self._state(int(after) if after.isdecimal() and after.isascii() and len(after) < 16 else 0)
        return Answer("application/json", to_json(state).encode())

    def _state(self, after: int) -> dict[str, Any]:
        with self._lock:
            self._asked = time.monotonic()
            now = self._now
            return {
                "task": "" if now is None else now.task,
                "done": 0 if now is None else now.done,
                "total": None if now is None else now.total,
                "facts": _facts(now, self._asked - self._begun),
                "points": self._points,
                "counts": "rounds" if now is not None and "round" in now.metrics else "passes",
                "tiles": [tile for tile in self._tiles.values() if tile["change"] > after],
                "change": self._changes,
                "pixelated": self._pixelated,
                "end": self._end,
            }


def live(*, title: str = "neatfool", port: int = 0, places: tuple[Path | str, ...] = ()) -> LivePage:
    """A page that shows a job while it goes on: numbers, confidence over time, and the elites.

    ```python
    with nf.live() as page:
        print(page.address)
        nf.evolve("lenet-mnist", progress=page)
    ```

    Args:
        title: its heading.
        port: of 127.0.0.1, the only address it is served on; 0 takes a free one.
        places: where results will be, for the page to say at the end.

    Returns:
        A context manager that is also what `evolve`, `ascend`, `retrain` and `resume` take as `progress`. It serves until then.

    Raises:
        ConfigError: the port cannot be had.
    """
    return LivePage(title=title, port=port, places=places)


def _facts(now: Progress | None, seconds: float) -> list[tuple[str, str]]:
    """Numbers with what they are."""
    if now is None:
        return []
    row = now.metrics
    facts = [(f"{now.done:,}", now.unit if now.total is None else f"of {now.total:,} {now.unit}")]
    shares = (
        ("median_confidence", "median confidence"),
        ("mean_confidence", "mean"),
        ("min_confidence", "lowest"),
    )
    facts += [(percent(row[key]), name) for key, name in shares if row.get(key) is not None]
    counts = (("classes_over_99", "classes ≥ 99 %"), ("evaluations", "evaluations"))
    facts += [(f"{row[key]:,}", name) for key, name in counts if row.get(key) is not None]
    return [*facts, (f"{seconds:,.0f} s", "so far")]
