import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.datasets import ImageFolder

import neatfool as nf
from neatfool.cli import run as cli
from neatfool.experiments.export.kinship import NEAR, find_groups, thumbnails
from neatfool.experiments.export.naming import folder_names
from neatfool.experiments.export.sources import read_run
from neatfool.experiments.export.splitting import split_groups
from neatfool.runs import StopRequestedError, checkpoint

HOSTILE = (
    "a/b",
    "a\\b",
    "..",
    "",
    "CON",
    "Crane",
    "crane",
    "x" * 900,
    "\U0001f986",
    "<script>alert(1)</script>",
    "[click](http://evil)|`x`\n# heading",
    "=1+1",
    "\x1b[31m",
    "__init__",
)


def brightness(classes: int):
    """Sure of the class whose part of the range the mean brightness falls into."""

    def confidences(images):
        place = images.mean((1, 2, 3)) / 256 * classes
        near = np.exp(-8 * np.abs(place[:, None] - np.arange(classes) - 0.5))
        return (near / near.sum(1, keepdims=True)).astype(np.float32)

    return confidences


def evolve(
    out: Path, *, classes=("a", "b", "c", "d"), seed: int = 0, shape=(1, 12, 12), generations: int = 6, **options
):
    judge = nf.FunctionJudge(brightness(len(classes)), image_shape=shape, classes=list(classes))
    options = {"encoding": nf.Cppn(initial_mutations=12), "strategy": "map-elites"} | options
    return nf.evolve(judge, generations=generations, batch=20, seed=seed, out=out, **options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[str]:
    place = tmp_path_factory.mktemp("runs")
    for seed in range(4):
        evolve(place / f"seed-{seed}", seed=seed)
    return [str(place / f"seed-{seed}") for seed in range(4)]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def header(card: Path) -> str:
    return card.read_text().split("---\n")[1]


def test_an_image_folder_is_read_by_torchvision(tmp_path, runs, capsys):
    out = tmp_path / "out"
    assert cli(["export", *runs, "--out", str(out), "--min-confidence", "0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["images"] == said["train"] + said["validation"] == 16
    assert 0 < said["validation"] <= 3
    train, validation = (ImageFolder(out / split, allow_empty=True) for split in ("train", "validation"))
    assert train.classes == validation.classes == ["a", "b", "c", "d"]
    assert (len(train), len(validation)) == (said["train"], said["validation"])
    records = {one["file_name"]: one for one in lines(out / "metadata.jsonl")}
    assert len(records) == 16
    for data, split in ((train, "train"), (validation, "validation")):
        for path, target in data.samples:
            record = records[Path(path).relative_to(out).as_posix()]
            assert (record["split"], record["label"]) == (split, data.classes[target])
            folder = nf.RunFolder.open(Path(next(run for run in runs if Path(run).name == record["run"])))
            elite = next(one for one in folder.elites() if one.class_index == record["class"])
            np.testing.assert_array_equal(np.asarray(Image.open(path)), elite.pixels[0])
            assert record["confidence"] == elite.confidence
            assert (record["id"], record["generation"]) == (elite.id, elite.generation)
            assert record["parents"] == record["lineage"][:1]


def test_arrays_are_read_without_pickles(tmp_path, runs):
    assert (
        cli(["export", *runs, "--as", "npz", "--out", str(tmp_path / "out"), "--min-confidence", "0", "--quiet"]) == 0
    )
    splits = [np.load(tmp_path / f"out/{name}.npz", allow_pickle=False) for name in ("train", "validation")]
    assert sum(len(one["images"]) for one in splits) == 16
    assert not set(splits[0]["groups"]) & set(splits[1]["groups"])
    for one in splits:
        assert (one["images"].dtype, one["images"].shape[1:]) == (np.uint8, (12, 12))
        assert (one["labels"].dtype, one["confidences"].dtype) == (np.int64, np.float32)
        assert one["class_names"].tolist() == ["a", "b", "c", "d"]
        for row, run in enumerate(one["runs"]):
            elites = nf.RunFolder.open(Path(runs[run])).elites()
            elite = next(elite for elite in elites if elite.class_index == one["labels"][row])
            np.testing.assert_array_equal(one["images"][row], elite.pixels[0])
            assert one["confidences"][row] == np.float32(elite.confidence)


def test_the_reader_of_hugging_face_takes_it(tmp_path, runs, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    out = tmp_path / "out"
    assert cli(["export", *runs, "--as", "hf", "--out", str(out), "--min-confidence", "0", "--quiet"]) == 0
    data = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "one"))
    assert {name: len(split) for name, split in data.items()}.keys() == {"train", "validation"}
    assert sum(map(len, data.values())) == 16
    typed = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "two"))["train"]
    assert typed.features["label"].names == ["a", "b", "c", "d"]
    assert all(typed.features["label"].names[one["label"]] == one["class_name"] for one in typed)


def test_the_layout_for_hugging_face_has_metadata_in_each_split(tmp_path, runs):
    out = tmp_path / "out"
    assert cli(["export", *runs, "--as", "hf", "--out", str(out), "--min-confidence", "0", "--quiet"]) == 0
    for split in ("train", "validation"):
        for record in lines(out / split / "metadata.jsonl"):
            assert (out / split / record["file_name"]).is_file()
            assert None not in record.values()
            assert not any(isinstance(value, list) for value in record.values())
    text = header(out / "README.md")
    assert "- n<1K" in text
    assert "class_label" in text


def test_the_header_of_a_card_is_yaml_whatever_the_classes_are_called(tmp_path):
    yaml = pytest.importorskip("yaml")
    evolve(tmp_path / "run", classes=HOSTILE, generations=2)
    nf.export(tmp_path / "run", tmp_path / "out", form="hf", min_confidence=0)
    said = yaml.safe_load(header(tmp_path / "out/README.md"))
    names = said["dataset_info"]["features"][1]["dtype"]["class_label"]["names"]
    assert len(set(names.values())) == len(HOSTILE)
    assert said["configs"][0]["data_files"][0] == {"split": "train", "path": "train/**"}
    assert said["task_categories"] == ["image-classification"]


def test_hostile_class_names_stay_apart_and_inside(tmp_path):
    evolve(tmp_path / "run", classes=HOSTILE, generations=2)
    before = contents(tmp_path / "run")
    result = nf.export(tmp_path / "run", tmp_path / "out", min_confidence=0, validation=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]
    assert contents(tmp_path / "run") == before
    folders = [path.name for path in (tmp_path / "out/train").iterdir()]
    assert len({name.casefold() for name in folders}) == len(HOSTILE) == result.summary()["classes"]
    assert len(ImageFolder(tmp_path / "out/train")) == len(HOSTILE)
    card = (tmp_path / "out/README.md").read_text()
    assert "<script>" not in card
    assert "[click]" not in card
    assert "\n# heading" not in card
    assert "\x1b" not in card


@given(st.lists(st.text(max_size=80), max_size=12))
def test_folder_names_are_names_of_folders(names):
    found = list(folder_names(dict(enumerate(names))).values())
    assert len({name.casefold() for name in found}) == len(names)
    for name in found:
        assert not re.search(r'[/\\:*?"<>|\0-\x1f]', name)
        assert not name.startswith((".", "__"))
        assert not name.endswith((" ", "."))
        assert 0 < len(os.fsencode(name)) < 256


def test_ordinary_class_names_are_names_of_folders():
    names = {0: "goldfish", 1: "shower curtain", 2: "jack-o'-lantern", 3: "5"}
    assert folder_names(names) == names
    assert folder_names({3: "a/b", 4: "a_b (3)", 5: "A/b"}) == {3: "a_b (3)_", 4: "a_b (3)", 5: "A_b (5)"}


def far_apart(images: np.ndarray, other: np.ndarray) -> float:
    return np.abs(images.astype(float) - other.astype(float)).mean() / 255


def test_no_pair_across_the_split_is_related_or_nearer_than_the_rule_says(tmp_path, runs):
    # The same run twice, one resumed, and one of a seed that shares its random start under another number of generations.
    shutil.copytree(runs[0], tmp_path / "copy")
    shutil.copytree(runs[1], tmp_path / "further")
    judge = nf.FunctionJudge(brightness(4), image_shape=(1, 12, 12), classes=["a", "b", "c", "d"])
    nf.resume(tmp_path / "further", generations=20, judge=judge)
    everything = [*runs, tmp_path / "copy", tmp_path / "further"]
    for seed in range(8):
        data = nf.export(everything, tmp_path / f"out-{seed}", min_confidence=0, validation=0.4, seed=seed).data
        splits = data.splits()
        pictures = dict(data.pictures(np.arange(len(data))))
        roots = [
            (data.runs[data.run[one]].seed, data.record(one)["lineage"][-1:] or [data.record(one)["id"]])
            for one in range(len(data))
        ]
        for one in splits["train"]:
            for other in splits["validation"]:
                small = thumbnails(np.stack([pictures[one], pictures[other]]))
                assert far_apart(small[0], small[1]) > NEAR
                assert roots[one] != roots[other]
                assert data.groups[one] != data.groups[other]


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_groups_are_those_that_chains_of_near_copies_connect(seed, count):
    draw = np.random.default_rng(seed)
    base = draw.integers(0, 256, (3, 1, 32, 32))
    images = np.clip(base[draw.integers(0, 3, count)] + draw.integers(-30, 31, (count, 1, 1, 1)), 0, 255).astype(
        np.uint8
    )

    class Sole:
        lineage, command = None, "ascend"

    groups = find_groups([Sole], [np.arange(count)], thumbnails(images))
    near = np.array([[far_apart(one, other) <= NEAR for other in images] for one in images])
    expected = near.copy()
    for middle in range(count):
        expected |= expected[:, middle : middle + 1] & expected[middle]
    np.testing.assert_array_equal(groups[:, None] == groups, expected)


def test_with_two_parents_every_ancestor_counts(tmp_path):
    evolve(tmp_path / "run", strategy="neat", generations=15)
    run = read_run(tmp_path / "run")
    data = nf.export(tmp_path / "run", tmp_path / "out", min_confidence=0).data
    ancestors = []
    for individual in run.ids.tolist():
        found, waiting = set(), [individual]
        while waiting:
            one = waiting.pop()
            found.add(one)
            waiting += [parent for parent in run.lineage.birth(one).parents if parent not in found]
        ancestors.append(found)
    for one in range(len(data)):
        for other in range(len(data)):
            if ancestors[one] & ancestors[other]:
                assert data.groups[one] == data.groups[other]


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=60), st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1)
)
def test_a_split_has_whole_groups_and_as_many_as_fit(numbers, share, seed):
    groups = np.unique(numbers, return_inverse=True)[1]
    validation = split_groups(groups, share=share, seed=seed)
    room = min(round(share * len(groups)), len(groups) - 1) - validation.sum()
    assert room >= 0
    assert not validation.all()
    assert not set(groups[validation]) & set(groups[~validation])
    assert all(size > room for group, size in enumerate(np.bincount(groups)) if not validation[groups == group].any())
    np.testing.assert_array_equal(validation, split_groups(groups, share=share, seed=seed))


def test_where_all_are_relatives_it_says_so_and_does_not_leak(tmp_path, capsys):
    evolve(tmp_path / "run", encoding="direct", generations=40)
    assert (
        cli(["export", str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--min-confidence", "0", "--json"]) == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert (said["train"], said["validation"]) == (4, 0)
    (note,) = said["notes"]
    assert note.startswith("0 of 4 images are for validation, not 1")
    assert "0 of 4 images are for validation" in (tmp_path / "out/README.md").read_text()
    assert not (tmp_path / "out/validation").exists()


@pytest.mark.parametrize("form", ["imagefolder", "npz", "hf"])
def test_the_same_export_gives_the_same_bytes(tmp_path, runs, form):
    for name in ("one/data", "two/data"):
        nf.export(runs, tmp_path / name, form=form, min_confidence=0)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_one_label_for_all(tmp_path, runs):
    nf.export(runs, tmp_path / "folder", label="fooling", min_confidence=0)
    assert ImageFolder(tmp_path / "folder/train").classes == ["fooling image"]
    nf.export(runs, tmp_path / "arrays", form="npz", label="fooling", min_confidence=0)
    data = np.load(tmp_path / "arrays/train.npz")
    assert data["class_names"].tolist() == ["a", "b", "c", "d", "fooling image"]
    assert set(data["labels"]) == {4}


def test_classes_of_one_name_are_the_same_class_in_all_models(tmp_path, runs):
    evolve(tmp_path / "other", classes=("b", "e"))
    data = nf.export([runs[0], tmp_path / "other"], tmp_path / "out", min_confidence=0).data
    assert data.label_names == ("a", "b", "c", "d", "e")
    assert data.labels.tolist() == [0, 1, 2, 3, 1, 4]


@pytest.mark.parametrize("form", ["imagefolder", "npz"])
def test_the_code_of_the_card_trains(tmp_path, runs, form, monkeypatch, capsys):
    nf.export(runs, tmp_path / "out", form=form, min_confidence=0)
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "out/README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path / "out")
    exec(code, {})
    assert re.fullmatch(r"\d+ of \d+ right\n", capsys.readouterr().out)


def test_images_that_the_model_does_not_believe_are_left_out(tmp_path, runs, capsys):
    confidence = sorted(elite.confidence for run in runs for elite in nf.RunFolder.open(Path(run)).elites())
    lowest = (confidence[2] + confidence[3]) / 2
    assert confidence[2] < lowest < confidence[3]
    assert cli(["export", *runs, "--out", str(tmp_path / "out"), "--min-confidence", str(lowest), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["images"], said["left_out"]) == (13, 3)
    assert said["notes"][0].startswith("3 of 16 images are left out")


def test_a_run_in_memory_and_an_ascent(tmp_path):
    run = evolve(None)
    data = nf.export([run, run], tmp_path / "out", min_confidence=0).data
    assert len({one.name for one in data.runs}) == 2
    assert data.groups[:4].tolist() == data.groups[4:].tolist()
    nf.ascend("lenet-mnist", classes="0-2", settings=nf.AscentSettings(steps=3), out=tmp_path / "ascent")
    data = nf.export(tmp_path / "ascent", tmp_path / "images", min_confidence=0, form="hf").data
    assert [data.record(one)["class"] for one in range(3)] == [0, 1, 2]
    assert data.record(0)["lineage"] == []


def test_no_model_is_loaded(tmp_path, runs, monkeypatch):
    monkeypatch.setattr("neatfool.models.config.ModelConfig.load", lambda *_: pytest.fail("a model is loaded"))
    nf.export(runs, tmp_path / "out", min_confidence=0)


def test_images_of_several_sizes_are_no_array_but_folders(tmp_path, runs, capsys):
    evolve(tmp_path / "larger", shape=(3, 40, 30))
    both = [runs[0], str(tmp_path / "larger")]
    assert cli(["export", *both, "--as", "npz", "--out", str(tmp_path / "out"), "--min-confidence", "0"]) == 2
    assert "which no one array holds" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out").exists()
    assert cli(["export", *both, "--out", str(tmp_path / "out"), "--min-confidence", "0", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--min-confidence", "1"], "No image reaches a confidence of 1"),
        (["--validation", "1"], "less than 1"),
        (["--validation", "nan"], "less than 1"),
        (["--min-confidence", "2"], "from 0 to 1"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, runs, options, said, capsys):
    assert cli(["export", *runs, "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("Error: ") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_left_alone(tmp_path, runs, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    assert cli(["export", *runs, "--out", str(tmp_path / "out"), "--min-confidence", "0"]) == 2
    assert "already holds files" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    (tmp_path / "file").write_text("")
    assert cli(["export", *runs, "--out", str(tmp_path / "file")]) == 2
    assert cli(["export", str(tmp_path / "none"), "--out", str(tmp_path / "new")]) == 2


def test_a_stopped_export_leaves_nothing_and_a_killed_one_nothing_that_looks_whole(tmp_path, runs):
    seen = []
    with pytest.raises(StopRequestedError):
        nf.export(runs, tmp_path / "out", min_confidence=0, progress=seen.append, stop=lambda: len(seen) == 20)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out/.unfinished/train").mkdir(parents=True)  # as a kill leaves it
    (tmp_path / "out/.unfinished/train/x").write_text("")
    nf.export(runs, tmp_path / "out", min_confidence=0)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "metadata.jsonl",
        "train",
        "validation",
    ]


def test_a_damaged_lineage_is_refused(tmp_path, runs):
    shutil.copytree(runs[0], tmp_path / "run")
    arrays, metadata = checkpoint.load(tmp_path / "run/checkpoint/state.safetensors")
    arrays["lineage"] = arrays["lineage"][:0]
    checkpoint.save(tmp_path / "run/checkpoint/state.safetensors", arrays, metadata)
    with pytest.raises(nf.RunError, match="lineage lacks individuals"):
        nf.export(tmp_path / "run", tmp_path / "out", min_confidence=0)
