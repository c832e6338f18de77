"""Worker processes that come and go, and pieces of work of which each is done, whoever dies over it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from neatfool.errors import JudgeError, ModelError, NeatfoolError
from neatfool.scaling.cluster import import_ray
from neatfool.shared.text import reason

log = logging.getLogger(__name__)

_AT_ONCE = 2
"""Pieces that a worker has at once: the next is there when one is done."""

_LOOK_SECONDS = 2.0
"""So often the cluster is asked whether machines have joined or left."""

_MOST_DEATHS = 5
"""Of workers over one piece of work, or over the loading of their classifier, one after the other."""


class Observer(Protocol):
    """Who is told what a crew does."""

    def done(self, size: int, seconds: float) -> None:
        """A piece of so many items was done, so long after it was handed out."""

    def redone(self) -> None:
        """A piece has to be done again, because its worker died."""

    def workers(self, count: int) -> None:
        """So many workers are at work now."""


@dataclass(eq=False)
class _Member:
    actor: Any
    greeting: Any
    """Of a worker that has not said yet that it is ready, else None."""
    tasks: int = 0


class Work:
    """Pieces of work, each of which is done once, in whatever order.

    Args:
        pieces: the size of each.
        ask: hands the piece of a number to an actor, and returns the reference to its result.
        take: told the number and the result of each.
    """

    def __init__(self, pieces: Sequence[int], ask: Callable[[Any, int], Any], take: Callable[[int, Any], None]) -> None:
        self.pieces = pieces
        self.ask = ask
        self.take = take
        self.todo = deque(range(len(pieces)))
        self.left = len(pieces)
        self.deaths = [0] * len(pieces)
        self.failure: NeatfoolError | None = None

    def fail(self, error: NeatfoolError) -> None:
        """Nothing more is to be done, and `Crew.finish` raises this."""
        self.failure = error
        self.todo.clear()


@dataclass(frozen=True)
class _Task:
    work: Work
    member: _Member
    number: int
    begin: float


class Crew:
    """Workers of a Ray cluster: as many as there is room for at every moment.

    Args:
        start: starts a worker, and returns its actor and the reference to its greeting.
        accept: told the greeting of each; returns why that one is to be left out, or None.
        room: how many there may be now.
        observer: told what goes on.
    """

    def __init__(
        self,
        start: Callable[[], tuple[Any, Any]],
        accept: Callable[[Any], str | None],
        room: Callable[[], int],
        observer: Observer,
    ) -> None:
        self._start = start
        self._accept = accept
        self._room = room
        self._observer = observer
        self._members: list[_Member] = []
        self._works: list[Work] = []
        self._running: dict[Any, _Task] = {}
        self._refused = 0
        self._stillborn = 0
        self._looked = -_LOOK_SECONDS

    def __len__(self) -> int:
        """Workers that are ready."""
        return sum(member.greeting is None for member in self._members)

    def assemble(self) -> None:
        """Waits for the first worker.

        Raises:
            ModelError: it is to be left out, or fails or dies over loading what it needs.
        """
        while not len(self):
            self._wait()

    def begin(self, work: Work) -> None:
        """Hands out as much of it as there are hands free; earlier work goes first."""
        self._works.append(work)
        self._hand_out()

    def finish(self, work: Work) -> None:
        """Waits until all of what was begun is done.

        Raises:
            JudgeError: a worker failed over a piece, or one worker after the other died over it.
            ModelError: no worker can be started.
        """
        try:
            while work.left and not work.failure:
                self._hand_out()
                for reference in self._wait():
                    self._end(reference)
            if work.failure:
                raise work.failure
        finally:
            self.forget(work)

    def forget(self, work: Work) -> None:
        """Gives up what is left of it."""
        self._works.remove(work)
        for reference, task in list(self._running.items()):
            if task.work is work:
                del self._running[reference]
                task.member.tasks -= 1

    def dismiss(self) -> None:
        """Ends all workers."""
        for member in list(self._members):
            self._drop(member)

    def _hand_out(self) -> None:
        for load in range(_AT_ONCE):
            for member in self._members:
                work = next((work for work in self._works if work.todo), None)
                if work and member.greeting is None and member.tasks == load:
                    number = work.todo.popleft()
                    task = _Task(work, member, number, time.perf_counter())
                    self._running[work.ask(member.actor, number)] = task
                    member.tasks += 1

    def _end(self, reference: Any) -> None:
        """Takes what has come of a piece of work."""
        task = self._running.pop(reference)
        work, number = task.work, task.number
        task.member.tasks -= 1
        try:
            result = self._result(reference, task.member)
        except NeatfoolError as error:
            work.fail(error)
        except _WorkerDiedError as error:
            work.deaths[number] += 1
            if work.deaths[number] < _MOST_DEATHS:
                self._observer.redone()
                work.todo.appendleft(number)
                return
            failure = JudgeError(
                f"{_MOST_DEATHS} workers died one after the other over the same images ({error}); see Ray's logs, and give "
                "each more memory."
            )
            failure.__cause__ = error
            work.fail(failure)
        else:
            self._observer.done(work.pieces[number], time.perf_counter() - task.begin)
            work.take(number, result)
            work.left -= 1

    def _wait(self) -> list[Any]:
        """Waits until something happens, welcomes who has come, and returns the references of tasks that have ended."""
        self._look_round()
        greetings = {member.greeting: member for member in self._members if member.greeting is not None}
        if not (self._running or greetings):
            time.sleep(_LOOK_SECONDS)
            return []
        ray, waiting = import_ray(), [*self._running, *greetings]
        ray.wait(waiting, num_returns=1, timeout=_LOOK_SECONDS)
        ended, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for reference in ended:
            if reference in greetings:
                self._welcome(greetings[reference])
        return [reference for reference in ended if reference in self._running]

    def _look_round(self) -> None:
        """Starts workers where there is room for more, and gives up those that there is no room for any more."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        wanted = self._room() - self._refused
        if wanted < 1 and not self._members:
            log.warning("No machine of the Ray cluster has room for a worker; waiting for one.")
        while len(self._members) < wanted:
            self._members.append(_Member(*self._start()))
        for member in [member for member in self._members if member.greeting is not None][
            : len(self._members) - wanted
        ]:
            self._drop(member)

    def _welcome(self, member: _Member) -> None:
        try:
            fault = self._accept(self._result(member.greeting, member))
        except _WorkerDiedError as error:
            self._stillborn += 1
            if self._stillborn >= _MOST_DEATHS:
                raise ModelError(
                    f"{_MOST_DEATHS} workers died one after the other while they loaded the model ({error}); see Ray's logs, "
                    "and start fewer on a machine, or give each more memory."
                ) from error
            return
        except NeatfoolError as error:
            fault = str(error)
        self._stillborn = 0
        if fault is None:
            member.greeting = None
            self._observer.workers(len(self))
        elif not len(self):
            raise ModelError(fault)
        else:
            log.warning("A worker is left out: %s", fault)
            self._refused += 1
            self._drop(member)

    def _result(self, reference: Any, member: _Member) -> Any:
        """What a worker returned.

        Raises:
            _WorkerDiedError: it did not; it is dropped.
            ModelError: it failed; a `NeatfoolError` of its own is raised as it is.
        """
        ray = import_ray()
        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, NeatfoolError):
                raise error.cause from None
            raise JudgeError(f"A worker failed ({reason(error.cause)}); mend the model.") from error
        except ray.exceptions.RayError as error:
            # A worker that was only out of reach is replaced too; what it still does nobody waits for.
            self._drop(member)
            raise _WorkerDiedError(reason(error)) from error

    def _drop(self, member: _Member) -> None:
        if member in self._members:
            self._members.remove(member)
            import_ray().kill(member.actor)
            self._observer.workers(len(self))


class _WorkerDiedError(Exception):
    """A worker is gone, or out of reach."""
