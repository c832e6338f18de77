"""Pictures and arrays, and image files that anybody may have made."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neatfool.errors import DataError
from neatfool.shared.pixels import as_picture, as_pixels, open_picture, read_picture


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_survive_a_picture_and_a_file(channels: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), dtype=np.uint8)
    picture = as_picture(pixels)
    assert picture.size == (7, 5) and picture.mode == {1: "L", 3: "RGB"}[channels]
    np.testing.assert_array_equal(as_pixels(picture), pixels)
    picture.save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype == np.uint8 and found.flags.c_contiguous


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGBA", 3)])
def test_transparency_and_palettes_become_gray_or_colour(mode: str, channels: int, tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (255, 255, 255)).convert("L" if mode in ("1", "LA") else "RGB").convert(mode).save(
        tmp_path / "a.png"
    )
    assert read_picture(tmp_path / "a.png").shape == (channels, 2, 3)
    for wanted in (1, 3):
        assert (read_picture(tmp_path / "a.png", channels=wanted) == 255).all()
        assert read_picture(tmp_path / "a.png", channels=wanted).shape == (wanted, 2, 3)


def refused(path: Path, message: str, **options: int) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_picture(path, **options)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_picture_is_one_sentence(tmp_path: Path) -> None:
    refused(tmp_path / "absent.png", "No such file")
    refused(tmp_path, "not a regular file")
    refused(Path("/dev/zero"), "not a regular file")
    (tmp_path / "a.png").write_bytes(b"no image")
    refused(tmp_path / "a.png", "cannot identify")
    Image.new("L", (40, 40)).save(tmp_path / "b.png")
    refused(tmp_path / "b.png", "40x40 pixels, at most 1,599 are read", max_pixels=1599)
    refused(tmp_path / "b.png", "bytes, at most 10 are read", max_bytes=10)
    content = (tmp_path / "b.png").read_bytes()
    for cut in range(len(content) - 20):
        (tmp_path / "c.png").write_bytes(content[:cut])
        refused(tmp_path / "c.png", "cannot be read as an image")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "not a regular file")


def test_what_pillow_would_hand_to_another_program_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    refused(tmp_path / "a.png", "cannot identify")
