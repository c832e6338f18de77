"""What a run of very many generations keeps in memory."""

import numpy as np
import pytest

import neatfool as nf
from neatfool.search import run as module


def judge() -> nf.FunctionJudge:
    def brightness(images):
        bright = images.reshape(len(images), -1).mean(1) / 255
        return np.stack([bright, 1 - bright], 1)

    return nf.FunctionJudge(brightness, image_shape=(1, 4, 4), classes=2)


@pytest.mark.parametrize("generations", [7, 8, 9, 40, 100])
def test_metrics_in_memory_are_even_and_few_and_those_of_a_resumed_run_the_same(generations, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 8)
    whole = nf.evolve(judge(), generations=generations, batch=4, out=tmp_path / "whole")
    nf.evolve(judge(), generations=generations // 2, batch=4, out=tmp_path / "parts")
    parts = nf.resume(tmp_path / "parts", generations=generations, judge=judge())
    for run in (whole, parts):
        kept = [row["generation"] for row in run.metrics]
        assert len(kept) <= 8
        assert kept[0] == 0
        assert kept[-1] == generations
        assert len(set(np.diff(kept[:-1]))) == 1
        rows = run.folder.metrics()
        assert [row["generation"] for row in rows] == list(range(generations + 1))
        assert [rows[generation] for generation in kept] == run.metrics
    assert [row["generation"] for row in whole.metrics] == [row["generation"] for row in parts.metrics]
