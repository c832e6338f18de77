"""The run folder: round trips, interruptions, hostile files."""

import multiprocessing
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatfool.errors import RunError
from neatfool.runs import SCHEMA_VERSION, RunFolder, default_path, expect
from neatfool.shared import files

MANIFEST: dict[str, Any] = {
    "command": "evolve",
    "model": "lenet-mnist",
    "class_names": [f"digit {index}" for index in range(10)],
    "image_shape": (1, 28, 28),
    "preprocessing": {"mean": np.float32(0.5), "std": (0.25,)},
    "weights_hash": "sha256:00ff",
}


def make_run(path: Path, **manifest: Any) -> RunFolder:
    config = {"seed": 3, "encoding": {"name": "cppn"}, "weights": None}
    return RunFolder.create(path, config=config, manifest=MANIFEST | manifest)


def archive(classes: list[int], confidence: list[float], ids: list[int]) -> dict[str, np.ndarray]:
    return {
        "archive.classes": np.array(classes, np.int64),
        "archive.confidence": np.array(confidence, np.float32),
        "archive.id": np.array(ids, np.int64),
        "archive.generation": np.arange(len(classes), dtype=np.int64),
    }


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "run")


def test_open_reads_back_what_create_wrote(run: RunFolder) -> None:
    opened = RunFolder.open(run.path)
    assert opened.config == run.config == {"seed": 3, "encoding": {"name": "cppn"}}
    assert opened.manifest == run.manifest
    assert opened.manifest.class_names[9] == "digit 9"
    assert opened.manifest.image_shape == (1, 28, 28)
    assert opened.manifest.preprocessing == {"mean": 0.5, "std": [0.25]}
    assert opened.manifest.versions["numpy"] == np.__version__
    assert opened.manifest.schema_version == SCHEMA_VERSION


def test_create_refuses_a_folder_with_files_and_a_file(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"already holds files; choose another --out or continue it with `neatfool"):
        make_run(run.path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        make_run(tmp_path / "file")


def test_create_takes_an_empty_folder(tmp_path: Path) -> None:
    assert make_run(tmp_path).path == tmp_path


def test_create_names_the_manifest_field_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="image_shape"):
        make_run(tmp_path / "a", image_shape=(2, 28, 28))
    with pytest.raises(RunError, match="class_name"):
        make_run(tmp_path / "b", class_name=["zero"])
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("manifest", "name"),
    [({}, "lenet-mnist-cppn"), ({"command": "ascend", "model": "../my/nets.py:Net"}, "my-nets.py-Net-ascend")],
)
def test_default_path_is_made_of_model_and_encoding_or_command(
    manifest: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"encoding": "cppn"}
    first = RunFolder.create(None, config=config, manifest=MANIFEST | manifest)
    second = RunFolder.create(None, config=config, manifest=MANIFEST | manifest)
    assert re.fullmatch(rf"runs/{re.escape(name)}-\d{{8}}-\d{{6}}", first.path.as_posix())
    assert second.path != first.path


@given(st.text(), st.text())
def test_default_path_is_one_folder_below_runs(model: str, label: str) -> None:
    path = default_path(model, label)
    assert path.parent == Path("runs")
    assert re.fullmatch(r"[\w.]+[\w.-]*", path.name, re.ASCII)
    assert not path.name.startswith(".")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("config.toml", b"seed = ", "not valid TOML"),
        ("config.toml", b"\xff\xfe", "not valid TOML"),
        ("config.toml", b"a = " + b"[" * 100_000, "not valid TOML"),
        ("config.toml", b"#" * 2**21, "more than"),
        ("manifest.json", b"{", "not valid JSON"),
        ("manifest.json", b"[" * 100_000, "not valid JSON"),
        ("manifest.json", b"[]", "no JSON object"),
        ("manifest.json", b"{}", "no schema version"),
        ("manifest.json", b'{"schema_version": 99, "unknown": 1}', "newer neatfool"),
        ("manifest.json", b'{"schema_version": 1}', "command"),
    ],
)
def test_open_refuses_broken_files(run: RunFolder, name: str, content: bytes, sentence: str) -> None:
    (run.path / name).write_bytes(content)
    with pytest.raises(RunError, match=sentence):
        RunFolder.open(run.path)


def test_open_refuses_what_is_no_run(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        RunFolder.open(tmp_path / "absent")
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder.open(tmp_path)
    (run.path / "config.toml").unlink()
    with pytest.raises(RunError, match="is missing"):
        RunFolder.open(run.path)
    os.mkfifo(run.path / "config.toml")
    with pytest.raises(RunError, match="not a regular file"):
        RunFolder.open(run.path)


def test_links_out_of_the_folder_are_refused(run: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0.png").write_bytes(b"untouched")
    (run.path / "images").rmdir()
    (run.path / "images").symlink_to(outside)
    (run.path / "metrics.jsonl").symlink_to(outside / "metrics")
    (run.path / "checkpoint" / "state.safetensors").symlink_to("state.safetensors")
    image = np.zeros((1, 28, 28), np.uint8)
    for use in (
        lambda: run.write_images({0: image}),
        lambda: run.image(0),
        lambda: run.append_metrics({"generation": 0}),
        run.metrics,
        run.elites,
    ):
        with pytest.raises(RunError, match="leads out of the run folder"):
            use()
    assert (outside / "0.png").read_bytes() == b"untouched"
    assert not (outside / "metrics").exists()


def test_a_planted_temporary_link_is_replaced_not_followed(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "images" / ".0.png.tmp").symlink_to(tmp_path / "target")
    run.write_images({0: np.zeros((1, 28, 28), np.uint8)})
    assert not (tmp_path / "target").exists()
    assert run.image(0).shape == (28, 28)


def test_a_run_may_itself_lie_behind_a_link(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run.path)
    RunFolder.open(tmp_path / "link").append_metrics({"generation": 0})
    assert run.metrics() == [{"generation": 0}]


def test_metrics_survive_an_unfinished_line(run: RunFolder) -> None:
    assert run.metrics() == []
    rows = [{"generation": n, "median_confidence": n / 4} for n in range(4)]
    for row in rows:
        run.append_metrics(row | {"median_confidence": np.float32(row["median_confidence"])})
    path = run.path / "metrics.jsonl"
    with path.open("ab") as file:
        file.write(b'{"generation": 4, "med' + b"x" * 100_000)
    assert run.metrics() == rows
    run.append_metrics({"generation": 4})
    assert run.metrics() == [*rows, {"generation": 4}]
    run.truncate_metrics(2)
    assert run.metrics() == rows[:3]
    path.write_bytes(b'{"gen')
    run.append_metrics({"generation": 0})
    assert run.metrics() == [{"generation": 0}]


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000, b"\xff", b'"' + b"9" * 5000]
)
def test_metrics_name_the_broken_line(run: RunFolder, line: bytes) -> None:
    (run.path / "metrics.jsonl").write_bytes(b"{}\n" + line + b"\n{}\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 2"):
        run.metrics()


def test_metrics_keep_any_json_text(run: RunFolder) -> None:
    row = {"generation": 0, "note": "\ud800 ≥ \n"}
    run.append_metrics(row)
    run.truncate_metrics(0)
    assert run.metrics() == [row]


def test_truncate_drops_lines_of_no_generation(run: RunFolder) -> None:
    (run.path / "metrics.jsonl").write_bytes(
        b'{"generation": "1"}\n{}\n{"generation": 0}\n{"generation": true}\n{"generation": 5}\n'
    )
    run.truncate_metrics(1)
    assert run.metrics() == [{"generation": 0}]


def test_checkpoint_round_trip(run: RunFolder) -> None:
    assert not run.has_checkpoint
    with pytest.raises(RunError, match="no checkpoint yet"):
        run.load_checkpoint()
    arrays = {
        "scalar": np.array(7, np.uint64),
        "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 4), np.int64),
    }
    run.save_checkpoint(arrays, {"generation": "5"})
    read, metadata = RunFolder.open(run.path).load_checkpoint()
    assert metadata == {"generation": "5", "schema_version": str(SCHEMA_VERSION)}
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
    assert run.load_checkpoint({"flags", "absent"})[0].keys() == {"flags"}


def test_checkpoint_is_whole_whatever_a_crash_left_beside_it(run: RunFolder) -> None:
    run.save_checkpoint({"x": np.arange(3)}, {"generation": "1"})
    state = run.path / "checkpoint" / "state.safetensors"
    (state.parent / ".state.safetensors.tmp").write_bytes(state.read_bytes()[:20])
    assert RunFolder.open(run.path).load_checkpoint()[1]["generation"] == "1"
    run.save_checkpoint({"x": np.arange(4)}, {"generation": "2"})
    assert run.load_checkpoint()[1]["generation"] == "2"
    assert [file.name for file in state.parent.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\xff" * 64, b"\x08\0\0\0\0\0\0\0notjson!", b"\x80\x04pickle."])
def test_damaged_checkpoints_are_refused(run: RunFolder, content: bytes) -> None:
    (run.path / "checkpoint" / "state.safetensors").write_bytes(content)
    with pytest.raises(RunError, match="not a readable checkpoint"):
        run.load_checkpoint()


def test_truncated_and_foreign_checkpoints_are_refused(run: RunFolder) -> None:
    run.save_checkpoint({"x": np.arange(100)}, {})
    state = run.path / "checkpoint" / "state.safetensors"
    whole = state.read_bytes()
    state.write_bytes(whole[:-1])
    with pytest.raises(RunError, match="not a readable checkpoint"):
        run.load_checkpoint()
    for version, sentence in (("9", "newer neatfool"), ("x", "no schema version")):
        state.write_bytes(whole.replace(f'"{SCHEMA_VERSION}"'.encode(), f'"{version}"'.encode()))
        with pytest.raises(RunError, match=sentence):
            run.load_checkpoint()
    with state.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RunError, match="more than"):
        run.load_checkpoint()


def test_checkpoint_types_numpy_lacks_are_refused(run: RunFolder) -> None:
    header = b'{"__metadata__":{"schema_version":"1"},"x":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[0,1]}}'
    state = run.path / "checkpoint" / "state.safetensors"
    state.write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(RunError, match="not a readable checkpoint"):
        run.load_checkpoint()


def test_truth_values_that_are_neither_are_refused(run: RunFolder) -> None:
    run.save_checkpoint({"flags": np.array([0, 1, 2], np.uint8).view(np.bool_)}, {})
    with pytest.raises(RunError, match="'flags' holds a truth value that is neither 0 nor 1"):
        run.load_checkpoint()


def test_small_files_that_would_draw_too_large_pictures_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", image_shape=(3, 8192, 8192), class_names=[str(n) for n in range(30)])
    run.save_checkpoint(archive(list(range(30)), [0.5] * 30, list(range(30))), {})
    with pytest.raises(RunError, match=r"The 30 images of .* more than the 1,073,741,824"):
        run.elites()


@pytest.mark.parametrize("values", [[0.5, 1.5], [-0.1, 0.5], [0.5, np.nan]])
def test_numbers_out_of_range_or_undefined_are_refused(values: list[float]) -> None:
    arrays = {"confidence": np.array(values, np.float32)}
    with pytest.raises(RunError, match=r"the array 'confidence' holds .* not numbers from 0 to 1"):
        expect(arrays, "confidence", np.float32, within=(0, 1))
    assert len(expect({"none": np.zeros(0, np.float32)}, "none", np.float32, within=(0, 1))) == 0


def test_expect_names_file_and_array() -> None:
    arrays = {"genomes": np.zeros((3, 4), np.float32)}
    assert expect(arrays, "genomes", np.float32) is arrays["genomes"]
    assert expect(arrays, "genomes", np.float32, (3,)) is arrays["genomes"]
    assert expect(arrays, "genomes", np.float32, (None, 4), ndim=2) is arrays["genomes"]
    with pytest.raises(RunError, match=r"state\.safetensors lacks the array 'lineage'"):
        expect(arrays, "lineage", np.int64)
    with pytest.raises(RunError, match=r"'genomes' holds float32, not int64"):
        expect(arrays, "genomes", np.int64)
    with pytest.raises(RunError, match=r"'genomes' has shape \(3, 4\), not \(2, \.\.\.\)"):
        expect(arrays, "genomes", np.float32, (2,))
    with pytest.raises(RunError, match=r"f\.st.*'genomes' has shape \(3, 4\), not \(3\)"):
        expect(arrays, "genomes", np.float32, (3,), ndim=1, source="f.st")
    with pytest.raises(RunError, match="shape"):
        expect(arrays, "genomes", np.float32, (3, 4, 5))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_round_trip(tmp_path: Path, channels: int) -> None:
    run = make_run(tmp_path / "run", image_shape=(channels, 5, 7))
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), dtype=np.uint8)
    run.write_images({9: pixels})
    np.testing.assert_array_equal(run.image(9), pixels[0] if channels == 1 else np.moveaxis(pixels, 0, -1))
    assert [path.name for path in (run.path / "images").iterdir()] == ["9.png"]


def test_wrong_images_are_refused(run: RunFolder) -> None:
    good = np.zeros((1, 28, 28), np.uint8)
    for images in ({10: good}, {-1: good}, {0: good[0]}, {0: good.astype(np.float32)}):
        with pytest.raises(ValueError, match=r"class|image"):
            run.write_images(images)
    with pytest.raises(RunError, match="missing"):
        run.image(0)
    run.write_images({0: np.random.default_rng(0).integers(0, 256, (1, 28, 28), dtype=np.uint8)})
    path = run.path / "images" / "0.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunError, match="not a readable PNG"):
        run.image(0)
    other = make_run(run.path.parent / "other", image_shape=(1, 2, 2))
    other.write_images({0: np.zeros((1, 2, 2), np.uint8)})
    path.write_bytes((other.path / "images" / "0.png").read_bytes())
    with pytest.raises(RunError, match="2 x 2 L, not 28 x 28 L"):
        run.image(0)
    path.write_bytes(b"GIF89a")
    with pytest.raises(RunError, match="not a readable PNG"):
        run.image(0)


def test_elites_come_in_class_order_without_empty_cells(run: RunFolder) -> None:
    assert run.elites() == []
    run.save_checkpoint(archive([4, 1, 0, 7], [0.5, -1, 1.0, 0.9], [11, -1, 12, -1]), {})
    zero, four = run.elites()
    assert (zero.class_index, zero.class_name, zero.confidence, zero.id, zero.generation) == (0, "digit 0", 1.0, 12, 2)
    assert (four.class_index, four.confidence, four.generation) == (4, 0.5, 0)
    assert zero.pixels is None and four.pixels is None  # there are no files
    picture = np.random.default_rng(0).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    run.write_images({4: picture})
    assert np.array_equal(run.elites()[1].pixels, picture)


@pytest.mark.parametrize(
    ("classes", "confidence"),
    [([0, 0], [0.1, 0.2]), ([0, 10], [0.1, 0.2]), ([0, 1], [0.1, 1.5]), ([0, 1], [0, np.nan])],
)
def test_impossible_archives_are_refused(run: RunFolder, classes: list[int], confidence: list[float]) -> None:
    run.save_checkpoint(archive(classes, confidence, [1, 2]), {})
    with pytest.raises(RunError, match=r"state\.safetensors: 'archive\."):
        run.elites()


def test_archives_with_missing_or_uneven_arrays_are_refused(run: RunFolder) -> None:
    arrays = archive([0, 1], [0.1, 0.2], [1, 2])
    run.save_checkpoint(arrays | {"archive.id": np.zeros(3, np.int64)}, {})
    with pytest.raises(RunError, match=r"archive\.id"):
        run.elites()
    del arrays["archive.generation"]
    run.save_checkpoint(arrays, {})
    with pytest.raises(RunError, match=r"archive\.generation"):
        run.elites()


def test_the_lock_keeps_a_second_writer_out(run: RunFolder) -> None:
    with run.lock():
        second = RunFolder.open(run.path)
        with pytest.raises(RunError, match=f"is being written by process {os.getpid()};"), second.lock():
            pass
        assert second.metrics() == []
    with run.lock():
        pass


def write_forever(path: Path) -> None:
    run = RunFolder.open(path)
    with run.lock():
        for generation in range(10**9):
            run.append_metrics({"generation": generation})
            run.write_images({0: np.full((1, 28, 28), generation % 256, np.uint8)})
            run.save_checkpoint({"fill": np.full(5000, generation)}, {"generation": str(generation)})


def test_a_killed_writer_leaves_a_run_that_opens_and_goes_on(run: RunFolder) -> None:
    context = multiprocessing.get_context("spawn")
    for round_number in range(2):
        writer = context.Process(target=write_forever, args=(run.path,))
        writer.start()
        deadline = time.monotonic() + 300
        while len(run.metrics()) < 3 and time.monotonic() < deadline:
            time.sleep(0.003 * (1 + round_number))
        assert writer.pid is not None
        with pytest.raises(RunError, match=f"is being written by process {writer.pid};"), run.lock():
            pass
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        survivor = RunFolder.open(run.path)
        arrays, metadata = survivor.load_checkpoint()
        generation = int(metadata["generation"])
        assert (arrays["fill"] == generation).all()
        assert np.ptp(survivor.image(0)) == 0
        with survivor.lock():
            survivor.truncate_metrics(generation)
            assert [row["generation"] for row in survivor.metrics()] == list(range(generation + 1))
            (run.path / "metrics.jsonl").unlink()


def test_windows_which_syncs_no_folders_writes_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse_folders(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        assert flags & os.O_RDWR, "Windows syncs only what is open for writing"
        return opened(path, flags, *rest, **options)

    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(files.os, "open", refuse_folders)
    with files.replacing(tmp_path / "file") as temporary:
        temporary.write_text("kept")
    monkeypatch.undo()
    assert (tmp_path / "file").read_text() == "kept"


def test_what_killed_writes_left_is_removed_when_the_folder_is_next_held(run: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "mine"
    outside.write_text("kept")
    left = [
        run.path / ".config.toml.tmp",
        run.path / "checkpoint" / ".tmpAb3dE9",
        run.path / "images" / ".0.png.tmp",
        run.path / "weights" / ".round-1.safetensors.tmp",
    ]
    (run.path / "weights").mkdir()
    for path in left:
        path.write_bytes(b"half")
    link = run.path / "images" / ".1.png.tmp"
    link.symlink_to(outside)
    other = run.path / ".notes"
    other.write_text("kept")
    with run.lock():
        assert not any(path.exists() for path in left)
    assert other.read_text() == outside.read_text() == "kept"
    assert link.is_symlink()
