"""Random views of images, seen through images whose pixels say where they are."""

import numpy as np
import pytest
import torch

from neatfool.data import ImageArray, Views, batches, labels_of, read_images

SIDE = 64


@pytest.fixture
def where():
    """Two images: how far right a pixel is in the first channel, how far down in the second, and which image in the third."""
    ramp = torch.linspace(0, 255, SIDE).round().to(torch.uint8)
    right, down = ramp.expand(SIDE, SIDE), ramp[:, None].expand(SIDE, SIDE)
    return ImageArray(
        torch.stack([torch.stack([right, down, torch.full_like(right, number)]) for number in (10, 20)]), [3, 5]
    )


def test_the_first_views_are_the_images_and_all_have_their_class(where):
    views = Views(where, 3, seed=0)
    assert len(views) == 6
    assert labels_of(views).tolist() == [3, 5, 3, 5, 3, 5]
    assert [label for _, label in (views[index] for index in range(6))] == [3, 5, 3, 5, 3, 5]
    found = read_images(views, np.arange(6))
    assert np.array_equal(found[:2], where.images)
    assert found.shape == (6, 3, SIDE, SIDE) and found.dtype == np.uint8
    assert found[:, 2].min((1, 2)).tolist() == found[:, 2].max((1, 2)).tolist() == [10, 20] * 3


def test_a_view_depends_on_the_seed_and_its_place_alone(where):
    views = Views(where, 50, seed=1)
    whole = np.concatenate([images for images, _ in batches(views, 7)])
    assert np.array_equal(whole, read_images(Views(where, 50, seed=1), np.arange(100)))
    assert np.array_equal(whole[[99, 4]], read_images(views, np.array([99, 4])))
    assert np.array_equal(whole[:100:9], read_images(Views(where, 80, seed=1), np.arange(0, 100, 9)))
    assert len({image.tobytes() for image in whole}) > 95  # a part may be all of it
    assert not np.array_equal(whole, read_images(Views(where, 50, seed=2), np.arange(100)))


def test_parts_have_the_area_the_sides_and_the_places_that_are_promised(where):
    found = read_images(Views(where, 400, seed=3), np.arange(2, 800)).astype(float)
    right, down = found[:, 0].mean(1), found[:, 1].mean(2)
    wide, high = (np.ptp(ramp, axis=1) / 255 for ramp in (right, down))
    area, sides = wide * high, wide / high
    # A pixel at each edge is nearly lost to the enlargement.
    assert 0.35 - 0.04 < area.min() < 0.4 and 0.93 < area.max() <= 1
    assert 0.70 < sides.min() < 0.8 and 1.25 < sides.max() < 1.43
    mirrored = right[:, 0] > right[:, -1]
    assert 0.44 < mirrored.mean() < 0.56
    assert (down[:, 0] < down[:, -1]).all()
    # In the middle on average, and anywhere.
    for ramp in (right, down):
        assert abs(ramp.mean() - 127.5) < 4
        assert (ramp.min(1) < 2).any() and (ramp.max(1) > 253).any()
