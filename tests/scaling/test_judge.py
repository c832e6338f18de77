"""`RayJudge` over a Ray of one process: what travels is pickled, answers come in any order, and workers die."""

import pickle
import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_errors import RayError, RayTaskError

import neatfool as nf
from neatfool.scaling import cluster, crew, judge


class Reference:
    def __init__(self, call):
        self.call = call


class Actor:
    """Calls of its methods are done when their results are fetched, with arguments that were pickled when they were made."""

    def __init__(self, ray, kind, arguments):
        self.ray, self.alive = ray, True
        self.worker = kind(*pickle.loads(pickle.dumps(arguments)))

    def __getattr__(self, name):
        def remote(*arguments):
            packed = pickle.dumps(arguments)
            self.ray.sent.append(len(packed))

            def call():
                if not self.alive or self.ray.dies(name):
                    self.alive = False
                    raise RayError("gone")
                try:
                    return pickle.loads(pickle.dumps(getattr(self.worker, name)(*pickle.loads(packed))))
                except Exception as error:
                    raise RayTaskError(error) from error

            return Reference(call)

        return SimpleNamespace(remote=remote)


class Ray:
    """As much of Ray as is used."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, *, seed=0, deaths=0, cpus=2.0):
        self.luck, self.deaths, self.cpus = random.Random(seed), deaths, cpus
        self.sent, self.started = [], 0

    def dies(self, name):
        if name == "judge" and self.deaths and self.luck.random() < 0.3:
            self.deaths -= 1
            return True
        return False

    def is_initialized(self):
        return True

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": self.cpus}}, {"Alive": False, "Resources": {"CPU": 99.0}}]

    def remote(self, kind):
        def make(*arguments):
            self.started += 1
            return Actor(self, kind, arguments)

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=make))

    def wait(self, references, *, num_returns, timeout):
        return self.luck.sample(references, self.luck.randint(1, len(references))), []

    def get(self, reference):
        return reference.call()

    def kill(self, actor):
        actor.alive = False


@pytest.fixture
def play(monkeypatch):
    """Puts such a Ray in place of the real one."""
    threads = torch.get_num_threads()
    silent = SimpleNamespace(done=lambda *_: None, redone=lambda: None, workers=lambda _: None)
    monkeypatch.setitem(sys.modules, "neatfool.scaling.metrics", SimpleNamespace(Metrics=lambda: silent))
    monkeypatch.setattr(crew, "_LOOK_SECONDS", 0.0)

    def put(**options):
        ray = Ray(**options)
        for module in (cluster, crew, judge):
            monkeypatch.setattr(module, "import_ray", lambda: ray)
        return ray

    yield put
    torch.set_num_threads(threads)
    nf.set_threads(0)


SETTINGS = {"generations": 3, "batch": 350, "seed": 1}


def same(one, other):
    arrays, others = one.search.arrays(), other.search.arrays()
    return arrays.keys() == others.keys() and all(np.array_equal(arrays[name], others[name]) for name in arrays)


@pytest.mark.parametrize("encoding", ["cppn", "direct"])
def test_the_same_run_whoever_works_and_dies(play, encoding):
    torch.set_num_threads(1)
    here = nf.evolve("lenet-mnist", encoding=encoding, **SETTINGS)
    for workers, deaths in ((1, 0), (2, 2), (5, 4)):
        ray = play(seed=workers, deaths=deaths, cpus=float(workers))
        with nf.RayJudge("lenet-mnist", workers=workers) as there:
            run = nf.evolve(there, encoding=encoding, **SETTINGS)
            assert repr(there).startswith("<RayJudge of 'lenet-mnist': ")
        assert ray.deaths == 0
        assert ray.started == workers + deaths
        assert same(here, run), (workers, deaths)
        assert run.noise == here.noise
        assert np.array_equal(run.judgement.top_classes, here.judgement.top_classes)
        assert run.config.model == here.config.model
        assert isinstance(run.judge, nf.Classifier)


def test_generations_ahead_are_the_same_whoever_works_and_dies(play, tmp_path):
    torch.set_num_threads(1)
    here = nf.evolve("lenet-mnist", ahead=2, **SETTINGS)
    for workers, deaths in ((1, 1), (3, 3)):
        play(seed=workers, deaths=deaths, cpus=float(workers))
        with nf.RayJudge("lenet-mnist", workers=workers) as there:
            assert same(here, nf.evolve(there, ahead=2, **SETTINGS))
            # Stopped in the middle, what was begun is given up, and done again.
            stops = iter([False, True, True])
            nf.evolve(there, ahead=2, out=tmp_path / f"{workers}", stop=stops.__next__, **SETTINGS)
            assert same(here, nf.resume(tmp_path / f"{workers}", judge=there))


def test_workers_begin_on_the_generations_ahead(play, monkeypatch):
    play()
    with nf.RayJudge("lenet-mnist", workers=2) as there:
        begun, asked = [], []
        begin, ask = there.begin, there.genome_confidences
        monkeypatch.setattr(there, "begin", lambda genomes: (begun.append(len(asked)), begin(genomes)))
        monkeypatch.setattr(there, "genome_confidences", lambda genomes: (ask(genomes), asked.append(1))[0])
        nf.evolve(there, ahead=1, generations=3, batch=40)
    # Of the start alone; then of two at a time, each begun before the first is asked for, and not beyond the last.
    assert [begun.count(number) for number in range(5)] == [1, 3, 3, 1, 1]


def test_genomes_travel_not_pictures(play):
    ray = play()
    genomes = nf.Cppn().start(400, shape=(1, 28, 28), seed=0)
    with nf.RayJudge("lenet-mnist", workers=2) as there:
        ray.sent.clear()
        there.genome_confidences(genomes)
        assert sum(ray.sent) < 2000 * len(genomes)


def test_a_folder_is_one_against_the_classifier_and_is_resumed_with_workers_and_without(play, tmp_path):
    torch.set_num_threads(1)
    play()
    nf.evolve("lenet-mnist", out=tmp_path / "here", **SETTINGS)
    with nf.RayJudge("lenet-mnist", workers=2) as there:
        nf.evolve(there, out=tmp_path / "there", **SETTINGS)
        nf.resume(tmp_path / "here", generations=5, judge=there)
    nf.resume(tmp_path / "there", generations=5)
    folders = [nf.RunFolder.open(tmp_path / name) for name in ("here", "there")]
    assert folders[0].manifest.fingerprint == folders[1].manifest.fingerprint
    assert folders[0].config == folders[1].config
    arrays, others = (folder.load_checkpoint()[0] for folder in folders)
    assert all(np.array_equal(arrays[name], others[name]) for name in arrays)
    assert (tmp_path / "here/judgement.json").read_bytes() == (tmp_path / "there/judgement.json").read_bytes()


def test_workers_with_another_classifier_are_refused(play, monkeypatch):
    play()
    monkeypatch.setattr(
        judge.RayJudge,
        "_there",
        property(lambda _: {"name": "lenet-mnist", "weights": "none"}, lambda *_: None),
        raising=False,
    )
    with pytest.raises(nf.ModelError, match="loads as lenet-mnist is not the one that is here"):
        nf.RayJudge("lenet-mnist", workers=2)


def test_no_room_is_one_sentence(play):
    play(cpus=4.0)
    with pytest.raises(nf.ConfigError, match=r"A worker is to have 5 cores and 0 GPUs.* more than 4 cores and 0 GPUs"):
        nf.RayJudge("lenet-mnist", workers=1, per_worker_cpus=5)
    with pytest.raises(nf.ConfigError, match=r"A worker is to have 1 cores and 2 GPUs"):
        nf.RayJudge("lenet-mnist", workers=1, per_worker_gpus=2)
