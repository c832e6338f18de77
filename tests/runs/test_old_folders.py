"""Folders of schema 1 open, and go on with the same bytes. They were written by neatfool 0.1.0 before schema 2."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neatfool as nf

OLD = Path(__file__).parent / "schema_1"


@pytest.mark.parametrize("name", ["cppn", "neat"])
def test_an_evolution_goes_on_with_the_same_pictures(tmp_path, name):
    shutil.copytree(OLD / name, tmp_path / name)
    folder = nf.RunFolder.open(tmp_path / name)
    assert folder.manifest.schema_version == 1 and folder.manifest.fingerprint is None
    for elite in folder.elites():
        assert np.array_equal(elite.pixels, np.array(Image.open(OLD / name / f"images/{elite.class_index}.png"))[None])
    run = nf.resume(folder, generations=6)
    assert run.evaluations == 12 + 6 * 12
    for path in (OLD / f"{name}-resumed").iterdir():
        assert (tmp_path / name / "images" / path.name).read_bytes() == path.read_bytes()


def test_an_ascent_opens_and_is_finished(tmp_path):
    shutil.copytree(OLD / "ascend", tmp_path / "ascend")
    result = nf.resume(tmp_path / "ascend")
    assert result.done
    assert [elite.class_index for elite in result.folder.elites()] == [3, 5]
    assert np.array_equal(result.images[0], np.array(Image.open(OLD / "ascend/images/3.png"))[None])


def test_a_folder_of_a_newer_neatfool_says_so(tmp_path):
    shutil.copytree(OLD / "cppn", tmp_path / "new")
    manifest = tmp_path / "new/manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(nf.RunError, match="written by a newer neatfool"):
        nf.RunFolder.open(tmp_path / "new")
