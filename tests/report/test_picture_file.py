"""Pictures that carry their genome, as their files may come from anybody."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

import neatfool as nf
from neatfool.cli import run as command
from neatfool.report import PictureFile, render_elite
from neatfool.report.notes import NOTE_LIMIT, png_chunk, png_note, read_note, xmp_note
from neatfool.search import read_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "run"
    nf.evolve("lenet-mnist", generations=8, batch=30, seed=3, out=path)
    return path


@pytest.fixture(scope="module")
def picture(folder: Path) -> Path:
    render_elite(folder, "3", out=folder.parent / "three.png", size=40)
    return folder.parent / "three.png"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.array(file)


def note_of(path: Path) -> dict:
    return json.loads(read_note(path) or "")


def write_png(path: Path, text: str | bytes, *, keyword: bytes = b"neatfool") -> None:
    """A PNG of one pixel with a text as Pillow writes it, or with chunks."""
    buffer = io.BytesIO()
    chunks = PngImagePlugin.PngInfo()
    if isinstance(text, str):
        chunks.add_itxt(keyword.decode(), text, zip=True)
    Image.new("L", (1, 1)).save(buffer, "PNG", pnginfo=chunks)
    content = buffer.getvalue()
    path.write_bytes(content[:33] + text + content[33:] if isinstance(text, bytes) else content)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_picture_is_drawn_again_from_itself(folder: Path, tmp_path: Path, suffix: str) -> None:
    small = tmp_path / f"small.{suffix}"
    render_elite(folder, "3", out=small, size=30)
    again = render_elite(small, out=tmp_path / "again.png", size=333)
    render_elite(folder, "3", out=tmp_path / "large.png", size=333)
    assert (again.class_index, again.size) == (3, (333, 333))
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "large.png").read_bytes()


def test_what_a_picture_carries(folder: Path, picture: Path, tmp_path: Path) -> None:
    manifest, elite = nf.RunFolder.open(folder).manifest, nf.RunFolder.open(folder).elites()[3]
    note = note_of(picture)
    assert (note["format"], note["schema"], note["neatfool"]) == ("neatfool-picture", 1, nf.__version__)
    assert (note["model"], note["fingerprint"]) == ("lenet-mnist", manifest.fingerprint)
    assert [one["class"] for one in note["elites"]] == [3]
    assert note["elites"][0]["confidence"] == pytest.approx(elite.confidence)
    assert note["settings"]["encoding"]["name"] == "cppn"
    assert str(folder.parent) not in json.dumps(note)
    # The command makes the same run.
    assert command([*note["command"].split()[1:], "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert read_config(tmp_path / "again/config.toml") == read_config(folder / "config.toml")
    with Image.open(picture) as file:
        assert json.loads(file.text["neatfool"]) == note  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words",
    [
        ["--preset", "paper-mnist", "--generations", "0", "--seed", "5"],
        ["--strategy", "neat", "--generations", "0", "--batch", "40", "--classes", "1-3,8"],
    ],
)
def test_the_command_says_what_the_defaults_and_presets_do_not(tmp_path: Path, words: list[str]) -> None:
    assert command(["evolve", *words, "--out", str(tmp_path / "run"), "--quiet"]) == 0
    render_elite(tmp_path / "run", "1", out=tmp_path / "one.png")
    assert note_of(tmp_path / "one.png")["command"] == " ".join(["neatfool", "evolve", *words])


def test_settings_without_flags_have_no_command(tmp_path: Path) -> None:
    nf.evolve("lenet-mnist", encoding=nf.Cppn(weight_rate=0.2), generations=0, batch=10, out=tmp_path / "run")
    render_elite(tmp_path / "run", "1", out=tmp_path / "one.png")
    note = note_of(tmp_path / "one.png")
    assert note["command"] is None
    assert note["settings"]["encoding"]["weight_rate"] == 0.2


def test_direct_pictures_carry_their_genes(tmp_path: Path) -> None:
    nf.evolve("lenet-mnist", encoding="direct", generations=1, batch=20, out=tmp_path / "run")
    render_elite(tmp_path / "run", "7", out=tmp_path / "large.png", size=100)
    render_elite(tmp_path / "large.png", out=tmp_path / "own.png")
    assert np.array_equal(pixels(tmp_path / "own.png"), pixels(tmp_path / "run/images/7.png"))


def test_inspect_shows_what_a_picture_carries(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["inspect", str(picture), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    note = note_of(picture)
    assert found["genome"] == note["elites"][0]["genome"]
    assert (found["class"], found["model"], found["command"]) == (3, "lenet-mnist", note["command"])
    assert command(["inspect", str(picture)]) == 0
    out = capsys.readouterr().out
    assert note["command"] in " ".join(out.split()) and "neatfool-cppn" in out
    assert command(["inspect", str(picture), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_texts_of_any_length_come_back(tmp_path: Path) -> None:
    text = "é" * 400_000 + "<&>" + "x" * 1_300_000
    write_png(tmp_path / "a.png", png_note(text))
    assert read_note(tmp_path / "a.png") == text
    with Image.open(tmp_path / "a.png") as file:  # others still read it
        file.load()
    Image.new("L", (1, 1)).save(tmp_path / "a.webp", xmp=xmp_note(text))
    assert read_note(tmp_path / "a.webp") == text


def bomb() -> bytes:
    """A chunk of a few KB that would be larger than any text."""
    packed = zlib.compressobj(9)
    content = b"".join(packed.compress(bytes(2**20)) for _ in range(NOTE_LIMIT // 2**20 + 1)) + packed.flush()
    return png_chunk(b"iTXt", b"neatfool\0\1\0\0\0" + content)


def changed(picture: Path, **changes: object) -> str:
    return json.dumps(note_of(picture) | changes)


def elite(picture: Path, **changes: object) -> str:
    note = note_of(picture)
    return json.dumps(note | {"elites": [note["elites"][0] | changes]})


HOSTILE = {
    "no text": (lambda _: b"", "carries no genome"),
    "no JSON": (lambda _: "{", "no genome that can be read"),
    "NaN": (lambda picture: changed(picture, model=float("nan")), "NaN"),
    "no object": (lambda _: "[]", "no genome that can be read"),
    "deep": (lambda _: "[" * 100_000, "nested too deeply"),
    "newer": (lambda picture: changed(picture, schema=2), "newer neatfool"),
    "of another kind": (lambda picture: changed(picture, format="else"), "format"),
    "more": (lambda picture: changed(picture, more=1), "more"),
    "large": (lambda picture: changed(picture, image_shape=[1, 10**9, 10**9]), "image_shape"),
    "no elites": (lambda picture: changed(picture, elites=[]), "elites"),
    "confidence": (lambda picture: elite(picture, confidence=2), "confidence"),
    "class": (lambda picture: elite(picture, **{"class": -1}), "class"),
    "encoding": (lambda picture: changed(picture, settings={"encoding": "os:system"}), "os:system"),
    "encodings": (lambda picture: changed(picture, settings={"encoding": [1]}), "encoding"),
    "colour": (lambda picture: changed(picture, image_shape=[3, 28, 28]), "channels"),
    "genome": (lambda picture: elite(picture, genome={}), "format"),
    "damaged": (lambda _: png_note("{}")[:-1] + b"\0", "damaged"),
    "no zlib": (lambda _: png_chunk(b"iTXt", b"neatfool\0\1\0\0\0abc"), "damaged"),
    "half of zlib": (lambda _: png_chunk(b"iTXt", b"neatfool\0\1\0\0\0" + zlib.compress(b"{}")[:5]), "damaged"),
    "no fields": (lambda _: png_chunk(b"iTXt", b"neatfool\0"), "damaged"),
    "self": (lambda picture: changed(picture, settings={"encoding": {"self": 1}}), "self"),
    "bomb": (lambda _: bomb(), "too long"),
    "bombs": (lambda _: png_note("x" * NOTE_LIMIT) + png_note("x"), "too long"),
    "length": (lambda _: struct.pack(">I", 2**31) + b"iTXt", "too long"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("words", [["render", "--out", "out.png"], ["inspect"]])
def test_hostile_pictures_are_one_sentence(
    picture: Path,
    tmp_path: Path,
    kind: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make, said = HOSTILE[kind]
    write_png(tmp_path / "hostile.png", make(picture))
    assert command([words[0], "hostile.png", *words[1:]]) == 2
    err = capsys.readouterr().err
    assert said in err and "hostile.png" in err
    assert err.startswith("Error: ") and err.count("\n") == 1 and "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.png"]


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPXMP \5\0\0\0{", b"GIF89a"]
)
def test_files_that_are_no_pictures_are_one_sentence(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.png"
    path.write_bytes(content)
    assert command(["inspect", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_raises_nothing_but_run_errors(picture: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(picture.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path = tmp_path / "damaged.png"
    path.write_bytes(content[:cut])
    try:
        found = PictureFile.open(path)
    except nf.RunError:
        return
    assert found.note == PictureFile.open(picture).note


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_other_values_raise_nothing_but_run_errors(picture: Path, tmp_path: Path, data: st.DataObject) -> None:
    note = note_of(picture)
    places = [note, note["elites"][0], note["elites"][0]["genome"], note["settings"], note["settings"]["encoding"]]
    place = data.draw(st.sampled_from(places))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    write_png(tmp_path / "changed.png", json.dumps(note))
    try:
        found = PictureFile.open(tmp_path / "changed.png")
        genome = found.genome(found.elite(None))
    except nf.RunError:
        return
    assert len(genome) == 1
