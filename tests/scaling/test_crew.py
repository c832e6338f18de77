"""Workers that die, fail, come and go, in a Ray that is a few lines long."""

import random
from collections import Counter
from types import SimpleNamespace

import pytest
from fake_errors import RayError, RayTaskError
from hypothesis import given
from hypothesis import strategies as st

from neatfool.errors import JudgeError, ModelError
from neatfool.scaling import crew as module
from neatfool.scaling.crew import Crew, Work


class Reference:
    def __init__(self, outcome):
        self.outcome = outcome


class FakeRay:
    """References end in any order; an outcome that is an exception is raised."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, seed=0):
        self.rng = random.Random(seed)
        self.killed = []
        self.in_order = False

    def wait(self, references, *, num_returns, timeout):
        return [references[0] if self.in_order else self.rng.choice(references)], []

    def get(self, reference):
        if isinstance(reference.outcome, Exception):
            raise reference.outcome
        return reference.outcome

    def kill(self, actor):
        self.killed.append(actor)


class Observed:
    def __init__(self):
        self.items, self.again, self.most = 0, 0, 0

    def done(self, size, seconds):
        assert seconds >= 0
        self.items += size

    def redone(self):
        self.again += 1

    def workers(self, count):
        self.most = max(self.most, count)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)


def make_crew(ray, *, workers=3, greeting=lambda number: number, accept=lambda greeting: None):
    module.import_ray = lambda: ray
    started = []

    def start():
        started.append(len(started))
        return started[-1], Reference(greeting(started[-1]))

    crew = Crew(start, accept, lambda: workers, observer := Observed())
    return crew, observer, started


@pytest.fixture(autouse=True)
def _real_ray_again(monkeypatch):
    monkeypatch.setattr(module, "import_ray", module.import_ray)


def do(crew, pieces, ask, take):
    work = Work(pieces, ask, take)
    crew.begin(work)
    crew.finish(work)


@given(seed=st.integers(0, 2**32), count=st.integers(0, 40), workers=st.integers(1, 6))
def test_every_piece_is_taken_once_whatever_the_order_and_whoever_dies(seed, count, workers):
    ray = FakeRay(seed)
    crew, observer, _ = make_crew(ray, workers=workers)
    luck, taken, deaths = random.Random(seed + 1), {}, Counter()

    def ask(actor, number):
        assert actor not in ray.killed
        if luck.random() < 0.2 and deaths[number] < 4:
            deaths[number] += 1
            return Reference(RayError("gone"))
        return Reference((actor, number * number))

    def take(number, result):
        assert number not in taken
        taken[number] = result[1]

    do(crew, [number + 1 for number in range(count)], ask, take)
    assert taken == {number: number * number for number in range(count)}
    assert observer.items == sum(range(count + 1))
    assert observer.most <= workers
    assert observer.again == deaths.total()


def test_a_piece_that_kills_whoever_gets_it_ends_the_work():
    ray = FakeRay()
    crew, observer, started = make_crew(ray)
    done = []
    with pytest.raises(JudgeError, match=r"5 workers died one after the other over the same images \(RayError: gone\)"):
        do(
            crew,
            [1] * 8,
            lambda actor, number: Reference(RayError("gone") if number == 3 else number),
            lambda number, result: done.append(number),
        )
    assert observer.again == 4
    assert 3 not in done
    # What it had under way is forgotten, and it works on.
    do(crew, [1], lambda actor, number: Reference(7), lambda number, result: done.append(result))
    assert done[-1] == 7
    assert len(started) >= 5


def test_a_failure_of_the_model_is_told_in_its_own_words():
    crew, _, _ = make_crew(FakeRay())
    own = JudgeError("tiny failed on a batch", images=[1])
    with pytest.raises(JudgeError, match="tiny failed on a batch") as caught:
        do(crew, [1], lambda actor, number: Reference(RayTaskError(own)), lambda number, result: None)
    assert caught.value.images == [1]
    with pytest.raises(JudgeError, match=r"A worker failed \(ZeroDivisionError: by zero\)"):
        do(
            crew,
            [1],
            lambda actor, number: Reference(RayTaskError(ZeroDivisionError("by zero"))),
            lambda number, result: None,
        )


def test_workers_that_cannot_load_the_model():
    crew, _, _ = make_crew(FakeRay(), greeting=lambda number: RayTaskError(ModelError("There is no file w.pth.")))
    with pytest.raises(ModelError, match=r"There is no file w\.pth\."):
        crew.assemble()
    crew, _, started = make_crew(FakeRay(), greeting=lambda number: RayError("out of memory"))
    with pytest.raises(ModelError, match="5 workers died one after the other while they loaded the model"):
        crew.assemble()
    assert len(started) >= 5


def test_a_later_worker_that_does_not_fit_is_left_out(caplog):
    ray = FakeRay()
    crew, observer, _ = make_crew(ray, accept=lambda greeting: "it has other weights." if greeting == 1 else None)
    done = []
    ray.in_order = True
    crew.assemble()
    ray.in_order = False
    do(crew, [1] * 30, lambda actor, number: Reference(actor), lambda number, result: done.append(result))
    assert set(done) <= {0, 2}
    assert ray.killed == [1]
    assert observer.most == 2
    assert "A worker is left out: it has other weights." in caplog.text
    crew.dismiss()
    assert sorted(ray.killed) == [0, 1, 2]
    assert len(crew) == 0


def test_workers_for_whom_there_is_no_room_any_more_are_given_up():
    ray, here = FakeRay(), [3]
    module.import_ray = lambda: ray
    names = iter(range(100))
    crew = Crew(lambda: (next(names), Reference("ready")), lambda greeting: None, lambda: here[0], Observed())
    crew.assemble()
    here[0] = 1
    do(crew, [1] * 4, lambda actor, number: Reference(actor), lambda number, result: None)
    assert len(crew) == 1
    assert ray.killed


@given(seed=st.integers(0, 2**32), counts=st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_later_work_is_begun_and_earlier_work_is_not_kept_waiting_by_it(seed, counts):
    ray = FakeRay(seed)
    crew, observer, _ = make_crew(ray)
    crew.assemble()
    luck, asked = random.Random(seed + 1), []
    taken = [{} for _ in counts]

    def make(batch):
        def ask(actor, number):
            # A piece of a later batch is handed out only when all of the earlier ones are.
            assert not any(work.todo for work in works[:batch])
            asked.append((batch, number))
            dies = luck.random() < 0.1 and asked.count((batch, number)) < 5
            return Reference(RayError("gone") if dies else number)

        return Work([1] * counts[batch], ask, taken[batch].__setitem__)

    works = [make(batch) for batch in range(len(counts))]
    for work in works:
        crew.begin(work)
    for batch, work in enumerate(works):
        crew.finish(work)
        assert taken[batch] == {number: number for number in range(counts[batch])}
    assert observer.items == sum(counts)
    assert len(asked) == sum(counts) + observer.again


def test_later_work_that_fails_ends_when_it_is_its_turn_and_may_be_forgotten():
    crew, _, _ = make_crew(FakeRay(), workers=1)
    crew.assemble()
    done = []
    early = Work([1] * 3, lambda actor, number: Reference(number), lambda number, result: done.append(result))
    late = Work([1], lambda actor, number: Reference(RayTaskError(JudgeError("tiny failed"))), lambda *_: None)
    never = Work([1] * 9, lambda actor, number: Reference(number), lambda number, result: done.append("never"))
    for work in (early, late, never):
        crew.begin(work)
    crew.finish(early)
    assert sorted(done) == [0, 1, 2]
    with pytest.raises(JudgeError, match="tiny failed"):
        crew.finish(late)
    crew.forget(never)
    before = done.count("never")
    assert before < 9
    do(crew, [1], lambda actor, number: Reference(7), lambda number, result: done.append(result))
    assert done[-1] == 7
    assert done.count("never") == before
