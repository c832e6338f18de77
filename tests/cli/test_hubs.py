"""Runs against models of timm, transformers and open_clip, from the command line."""

import json
import shutil

import pytest
from hubs import architectures

TIMM = ("--model", "timm:test_vit", "--weights", "none")
HF = ("--model", "hf:./tiny")
CLIP = ("--model", "clip:tiny", "--weights", "none", "--labels", "labels.txt")
BRIEF = ("--generations", "2", "--batch", "4", "--classes", "0-2", "--seed", "3", "--device", "cpu")


@pytest.fixture
def hub_models(workplace):
    """A folder of transformers, an architecture of open_clip, and class names for it."""
    hf = pytest.importorskip("transformers", reason="needs transformers")
    pytest.importorskip("timm", reason="needs timm")
    hf.utils.logging.disable_progress_bar()
    config = hf.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, patch_size=8, image_size=32,
        id2label={0: "cat", 1: "dog", 2: "owl"},
    )  # fmt: skip
    hf.ViTForImageClassification(config).save_pretrained("tiny")
    hf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained("tiny")
    (workplace / "labels.txt").write_text("cat\ndog\nowl\nyak\n")
    with architectures(workplace, {"tiny": {}}):
        yield workplace


@pytest.mark.parametrize("model", [TIMM, HF, CLIP], ids=["timm", "hf", "clip"])
def test_a_run_goes_on_from_any_folder_as_if_it_had_not_stopped(model, hub_models, neatfool, monkeypatch):
    whole = neatfool("evolve", *model, *BRIEF, "--out", "whole", "--json")
    assert whole["model"] == model[1] if model is not HF else whole["model"].endswith("/tiny")
    neatfool("evolve", *model, *BRIEF[2:], "--generations", "1", "--out", "run", "--quiet")
    (hub_models / "elsewhere").mkdir()
    monkeypatch.chdir(hub_models / "elsewhere")
    assert neatfool("resume", "../run", "--generations", "2", "--json")["evaluations"] == whole["evaluations"]
    runs = [neatfool("inspect", f"../{run}", "--json")["elites"] for run in ("run", "whole")]
    assert runs[0] == runs[1]


def test_a_run_does_not_go_on_with_other_names(hub_models, neatfool):
    neatfool("evolve", *CLIP, *BRIEF, "--out", "run", "--quiet")
    (hub_models / "labels.txt").write_text("cat\ndog\nowl\nzebra\n")
    code, _, err = neatfool("resume", "run", "--generations", "3")
    assert code == 2 and "Error: " in err


def test_other_commands_take_the_names_too(hub_models, neatfool):
    climbed = neatfool("ascend", *CLIP, "--class", "yak", "--steps", "2", "--device", "cpu", "--out", "up", "--json")
    assert climbed["model"] == "clip:tiny"
    shown = neatfool(
        "transfer",
        "up",
        "--to",
        "clip:tiny",
        "--weights",
        "none",
        "--labels",
        "labels.txt",
        "--device",
        "cpu",
        "--json",
    )
    assert "clip:tiny" in json.dumps(shown)
    code, _, err = neatfool("transfer", "up", "--to", "clip:tiny", "--labels", "a", "--labels", "b")
    assert code == 2 and "1 --to but 2 --labels" in err


def test_photographs_are_checked(hub_models, neatfool, shared):
    for name, synset in (("cat", "n02123045"), ("dog", "n02099601"), ("owl", "n01622779")):
        shutil.copytree(next((shared / "data/imagenet-sample/val").glob(f"{synset}*")), hub_models / "data" / name)
    assert neatfool("check", *HF, "--data", "data", "--device", "cpu", "--json")["images"] == 3


def test_the_kinds_of_names_are_listed(neatfool):
    _, out, _ = neatfool("models")
    assert all(
        f"\n{kind}" in out for kind in ("timm:NAME", "hf:OWNER/NAME", "clip:NAME", "FILE", "package.module:factory")
    )
