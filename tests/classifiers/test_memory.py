"""A GPU whose memory does not suffice, played by a module on the CPU."""

import numpy as np
import pytest
import torch
from torch import nn

import neatfool as nf


class Narrow(nn.Module):
    """Raises what torch raises where there is no memory for more than so many images."""

    def __init__(self, room):
        super().__init__()
        self.room = room
        self.weight = nn.Parameter(torch.randn(3 * 64, 5, generator=torch.Generator().manual_seed(0)))
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        if len(x) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return (x.flatten(1)[:, :, None] * self.weight).sum(1)


IMAGES = np.random.default_rng(0).integers(0, 256, (37, 3, 8, 8), np.uint8)


@pytest.mark.parametrize("crops", [1, 10])
def test_half_as_many_at_once_until_they_fit_and_the_same_confidences(crops, caplog):
    options = {"input_size": 8, "crops": crops, "image_size": 8 if crops == 1 else 9, "chunk": 20, "name": "narrow"}
    images = IMAGES if crops == 1 else np.pad(IMAGES, ((0, 0), (0, 0), (0, 1), (0, 1)))
    wide, narrow = nf.Classifier(Narrow(10**6), **options), nf.Classifier(Narrow(3), **options)
    assert np.array_equal(wide.confidences(images), narrow.confidences(images))
    assert "narrow ran out of memory with 20 images at once, so it takes 10 from now on." in caplog.text
    assert narrow.chunk == 20
    # 20, 10, 5 do not fit, 3 do; and that is remembered.
    narrow.module.seen.clear()
    narrow.confidences(images)
    assert set(narrow.module.seen) == {3, 2}


def test_a_run_goes_on_when_memory_becomes_scarce():
    classifier = nf.Classifier(Narrow(10**6), input_size=8, chunk=16)
    whole = nf.evolve(classifier, generations=3, batch=24)

    def shrink(progress):
        classifier.module.room = 5

    run = nf.evolve(classifier, generations=3, batch=24, progress=shrink)
    assert np.array_equal(run.archive.confidence, whole.archive.confidence)


def test_no_memory_for_one_image_is_one_sentence():
    classifier = nf.Classifier(Narrow(4), input_size=8, chunk=4, name="narrow")
    classifier.module.room = 0
    with pytest.raises(nf.JudgeError, match="narrow ran out of memory on a batch of shape"):
        classifier.confidences(IMAGES)
