"""Folders of every schema so far open, and go on with the same bytes.

Those of schema 1 were written by neatfool 0.1.0 before schema 2, those of schema 2 by the first that had it.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neatfool as nf

SCHEMAS = (1, 2)


def old(schema: int, name: str) -> Path:
    return Path(__file__).parent / f"schema_{schema}" / name


@pytest.mark.parametrize("name", ["cppn", "neat"])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_evolution_goes_on_with_the_same_pictures(tmp_path, schema, name):
    before = old(schema, name)
    shutil.copytree(before, tmp_path / name)
    folder = nf.RunFolder.open(tmp_path / name)
    assert folder.manifest.schema_version == schema
    assert (folder.manifest.fingerprint is None) == (schema == 1)
    for elite in folder.elites():
        assert np.array_equal(elite.pixels, np.array(Image.open(before / f"images/{elite.class_index}.png"))[None])
    run = nf.resume(folder, generations=6)
    assert run.evaluations == 12 + 6 * 12
    for path in old(schema, f"{name}-resumed").iterdir():
        assert (tmp_path / name / "images" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_ascent_opens_and_is_finished(tmp_path, schema):
    before = old(schema, "ascend")
    shutil.copytree(before, tmp_path / "ascend")
    result = nf.resume(tmp_path / "ascend")
    assert result.done
    assert [elite.class_index for elite in result.folder.elites()] == [3, 5]
    assert np.array_equal(result.images[0], np.array(Image.open(before / "images/3.png"))[None])


def test_a_folder_of_a_newer_neatfool_says_so(tmp_path):
    shutil.copytree(old(1, "cppn"), tmp_path / "new")
    manifest = tmp_path / "new/manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(nf.RunError, match="written by a newer neatfool"):
        nf.RunFolder.open(tmp_path / "new")
