"""Each command as a user runs it, from the command line to the files."""

import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import neatfool as nf
from neatfool import cli
from neatfool.search import build_config
from neatfool.shared.text import percent


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


EVOLVE = ("evolve", "--model", "tinynet:make", "--batch", "30", "--generations", "5", "--seed", "7")


def test_evolve_writes_the_run_folder(neatfool, workplace):
    result = neatfool(*EVOLVE, "--out", "run", "--json")
    assert result["run"] == "run"
    assert result["model"] == "tinynet:make"
    assert (result["encoding"], result["strategy"]) == ("cppn", "pattern-elites")
    assert (result["seed"], result["generations"], result["evaluations"], result["classes"]) == (7, 5, 180, 4)
    assert 0 <= result["min_confidence"] <= result["median_confidence"] <= 1
    assert result["evaluations_per_second"] > 0
    run = workplace / "run"
    assert {p.name for p in run.iterdir()} >= {
        "config.toml", "manifest.json", "metrics.jsonl", "checkpoint", "images", "gallery.png", "report.html",
    }  # fmt: skip
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 6
    assert sorted(p.name for p in (run / "images").iterdir()) == ["0.png", "1.png", "2.png", "3.png"]
    page = (run / "report.html").read_text()
    assert "red <fox>" not in page
    assert "red &lt;fox&gt;" in page


def test_the_table_and_where_things_are(neatfool):
    code, out, err = neatfool(*EVOLVE)
    assert code == 0
    assert "median confidence" in out
    folder = re.search(r"report +(runs/\S+)/report.html", out)
    assert folder, out
    assert "5 of 5 generations" in err
    assert neatfool(*EVOLVE, "--quiet", "--out", "again") == (0, "again\n", "")


def test_resume_inspect_render_report(neatfool, workplace):
    neatfool(*EVOLVE, "--out", "run", "--quiet")
    assert neatfool("resume", "run", "--generations", "9", "--json")["evaluations"] == 300
    whole = neatfool(*EVOLVE[:-4], "--generations", "9", "--seed", "7", "--out", "whole", "--json")
    assert neatfool("inspect", "run", "--json")["elites"] == neatfool("inspect", "whole", "--json")["elites"]
    assert whole["median_confidence"] == neatfool("inspect", "run", "--json")["median_confidence"]

    elite = neatfool("inspect", "run", "--class", "goldfish", "--json")
    assert (elite["class"], elite["class_name"]) == (2, "goldfish")
    assert elite["genome"]["format"] == "neatfool-cppn"
    assert elite["lineage"][0]["id"] == elite["id"]
    assert elite["lineage"][-1]["generation"] == 0
    code, out, _ = neatfool("inspect", "run", "-c", "2")
    assert code == 0
    assert "goldfish" in out
    judgement = nf.RunFolder.open(workplace / "run").judgement()
    assert judgement is not None
    judged = [(one["class"], one["confidence"]) for one in elite["judged"]]
    assert judged == judgement.top(2)
    assert "judged to be" in out
    assert f"{elite['judged'][0]['class_name']} {percent(judged[0][1])}" in out
    overview = neatfool("inspect", "run", "--json")["elites"]
    assert overview[2]["judged"] == elite["judged"][:1]
    assert overview[2]["judged"][0]["class_name"] in neatfool("inspect", "run")[1]

    neatfool("render", "run", "--class", "2", "--out", "small.png", "--quiet")
    assert np.array_equal(pixels("small.png"), pixels("run/images/2.png"))
    assert neatfool("render", "run", "-c", "2", "--size", "200", "--out", "big.png", "--json")["size"] == [200, 200]
    assert pixels("big.png").shape == (200, 200, 3)

    neatfool("report", "run", "whole", "--out", "both", "--quiet")
    page = (workplace / "both/report.html").read_text()
    assert "run" in page
    assert "whole" in page
    (workplace / "groups.csv").write_text("goldfish,animals,fish\n")
    neatfool("report", "run", "--as", "folder", "--hierarchy", "groups.csv", "--out", "apart", "--quiet")
    assert (workplace / "apart/report-files/class-2.js").exists()
    assert '"name": "fish"' in (workplace / "apart/report.html").read_text()

    assert neatfool("report", "run", "--quiet") == (0, "run\n", "")
    for made in (
        ("report", "run", "whole"),
        ("export", "run", "--min-confidence", "0"),
        ("transfer", "run", "--to", "tinynet:make"),
    ):
        code, out, err = neatfool(*made, "--quiet")
        assert (code, err) == (0, "")
        assert re.fullmatch(r"runs/\S+\n", out)
        assert list((workplace / out.strip()).iterdir())


@pytest.mark.parametrize("extra", [("--encoding", "direct"), ("--strategy", "neat"), ("--preset", "paper-mnist")])
def test_encodings_strategies_and_presets(neatfool, extra):
    result = neatfool(*EVOLVE, *extra, "--classes", "fox,2-3", "--json")
    assert result["classes"] == 3
    assert result["evaluations"] == (350 if "--preset" in extra else 180)
    picture = neatfool("render", result["run"], "--class", "owl", "--size", "16", "--out", "owl.png", "--json")
    assert picture["size"] == [16, 16]


def test_config_file_repeats_a_run(neatfool):
    first = neatfool(*EVOLVE, "--encoding", "direct", "--out", "first", "--json")
    second = neatfool("evolve", "--config", "first/config.toml", "--out", "second", "--json")
    for result in (first, second):
        for key in ("run", "seconds", "evaluations_per_second", "profile", "classify_share"):
            del result[key]
    assert first == second


MISTAKES = {
    "no such model": (("evolve", "--model", "squeezenet9"), ["squeezenet9", "squeezenet1_0"]),
    "no such factory": (("evolve", "--model", "tinynet:mak"), ["tinynet", "mak"]),
    "no weights": (("evolve", "--model", "alexnet"), ["alexnet-owt-7be5be79.pth", "--weights"]),
    "no weights file": (("evolve", "--weights", "nothing.safetensors"), ["nothing.safetensors"]),
    "class": (("evolve", "--model", "tinynet:make", "--classes", "cat"), ["cat"]),
    "ambiguous class": (("evolve", "--model", "tinynet:make", "--classes", "fis,f"), ["fis", "goldfish"]),
    "encoding": (("evolve", "--encoding", "pixels"), ["pixels", "cppn"]),
    "preset": (("evolve", "--preset", "paper"), ["paper-mnist"]),
    "crops": (("evolve", "--crops", "3"), ["crops", "3"]),
    "device": (("evolve", "--model", "tinynet:make", "--device", "tpu"), ["tpu"]),
    "negative": (("evolve", "--generations", "-1"), ["--generations", "0"]),
    "unknown option": (("evolve", "--generatoins", "1"), ["--generatoins"]),
    "neat direct": (("evolve", "--strategy", "neat", "--encoding", "direct"), ["neat", "cppn"]),
    "config": (("evolve", "--config", "none.toml"), ["none.toml"]),
    "resume nothing": (("resume", "nowhere"), ["nowhere"]),
    "resume no run": (("resume", "."), ["not a run folder"]),
    "render class": (("render", "run", "--class", "cat", "--out", "x.png"), ["cat"]),
    "render what": (("render", "run", "--class", "1", "--out", "x.svg"), ["x.svg", ".png"]),
    "model of Python": (("evolve", "--model", "sys:exit"), ["sys", "classifiers"]),
    "render where": (("render", "run", "--class", "1", "--out", "no/x.png"), ["no/x.png"]),
    "report where": (("report", "run", "--out", "run/config.toml"), ["config.toml", "another --out"]),
    "report groups": (("report", "run", "--hierarchy", "none.json"), ["none.json"]),
    "out taken": ((*EVOLVE, "--out", "run"), ["run", "resume"]),
    "out below a file": ((*EVOLVE, "--out", "tinynet.py/run"), ["tinynet.py/run", "cannot be made"]),
    "ascend below a file": (
        ("ascend", "--model", "tinynet:make", "--all", "--out", "tinynet.py/run"),
        ["tinynet.py/run", "cannot be made"],
    ),
    "reproduce below a file": (
        ("reproduce", "mnist", "--data", ".", "--rows", "1", "--out", "tinynet.py/run"),
        ["tinynet.py/run", "cannot be made"],
    ),
    "check data": (("check", "--model", "tinynet:make", "--data", "nowhere"), ["nowhere"]),
    "train data": (("train", "--data", "."), ["MNIST"]),
    "no command": (("evovle",), ["evovle"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(neatfool, mistake):
    if "run" in MISTAKES[mistake][0]:
        neatfool(*EVOLVE, "--out", "run", "--quiet")
    arguments, words = MISTAKES[mistake]
    code, out, err = neatfool(*arguments)
    assert code == 2, err
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_untrained_networks_run(neatfool):
    assert neatfool("evolve", "--weights", "none", "--generations", "1", "--batch", "20", "--json")["evaluations"] == 40


def test_check_train_models(neatfool, shared, workplace):
    result = neatfool("check", "--weights", str(shared / "weights/lenet_caffe_mnist.safetensors"), "--data",
                      str(shared / "data"), "--json")  # fmt: skip
    assert result["images"] == 10_000
    assert abs(result["top1"] - 0.9918) <= 0.0002
    assert result["top1"] < result["top5"] <= 1
    names = {model["name"] for model in neatfool("models", "--json")["models"]}
    assert {"lenet-mnist", "alexnet", "squeezenet1_0", "mobilenet_v2"} <= names


@pytest.mark.parametrize("sign", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_end_finishes_the_generation_and_exits_130(neatfool, workplace, sign):
    process = subprocess.Popen(
        [sys.executable, "-m", "neatfool", *EVOLVE[:-4], "--generations", "1000000", "--seed", "7", "--out", "run"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # the tests may run under nohup
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if ": 0 of " in line:
                break
        process.send_signal(getattr(signal, sign))
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    done = neatfool("inspect", "run", "--json")["generation"]
    assert json.loads((workplace / "run/metrics.jsonl").read_text().splitlines()[-1])["generation"] == done
    assert (workplace / "run/report.html").exists()
    resumed = neatfool("resume", "run", "--generations", str(done + 3), "--json")
    whole = neatfool(*EVOLVE[:-4], "--generations", str(done + 3), "--seed", "7", "--json")
    assert resumed["mean_confidence"] == whole["mean_confidence"]


def test_version_and_help(neatfool):
    assert neatfool("--version")[1].startswith("neatfool 0.")
    listed = neatfool("--help")[1]
    for command in COMMANDS:
        assert command in listed
        code, out, _ = neatfool(command, "--help")
        assert code == 0
        assert "--json" in out


COMMANDS = [module.__name__.rpartition(".")[2] for module in cli.COMMANDS]


def test_render_writes_what_the_suffix_says(neatfool):
    neatfool(*EVOLVE, "--out", "run", "--quiet")
    for name, kind in (("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP")):
        assert neatfool("render", "run", "-c", "1", "--out", name)[0] == 0
        with Image.open(name) as picture:
            assert picture.format == kind


def test_a_strangers_configuration_ends_no_program(neatfool, workplace):
    neatfool(*EVOLVE, "--out", "run", "--quiet")
    config = workplace / "run/config.toml"
    config.write_text(config.read_text().replace('"tinynet:make"', '"sys:exit"'))
    code, _, err = neatfool("resume", "run", "--generations", "5")
    assert code == 2 and "sys" in err and err.count("\n") == 1


def test_the_device_a_classifier_is_on_is_remembered(tmp_path):
    classifier = nf.load_classifier("lenet-mnist", device="cpu")
    nf.evolve(classifier, generations=0, batch=5, out=tmp_path / "given")
    assert nf.RunFolder.open(tmp_path / "given").config["model"]["device"] == "cpu"
    nf.evolve("lenet-mnist", generations=0, batch=5, out=tmp_path / "named")
    assert nf.RunFolder.open(tmp_path / "named").config["model"]["device"] == "auto"


def test_layers_without_a_name_go_below_one_with_the_same_name():
    assert build_config({"encoding": {"weight_rate": 0.9}}, {"encoding": {"name": "cppn"}}).encoding.weight_rate == 0.9
    assert build_config({"encoding": {"weight_rate": 0.9}}, {"encoding": {"name": "direct"}}).encoding == nf.Direct()


def test_names_that_look_like_markup_are_names(neatfool, workplace):
    hostile = '["[/]", "[red]fish", "[link=http://x]y[/link]", ":smile:"]'
    module = workplace / "tinynet.py"
    module.write_text(module.read_text().replace('["red <fox>", "fish", "goldfish", "owl"]', hostile))
    assert neatfool(*EVOLVE, "--out", "run")[0] == 0
    code, out, err = neatfool("inspect", "run")
    assert code == 0, err
    for name in json.loads(hostile):
        assert name in out
    code, out, err = neatfool("inspect", "run", "--class", "0")
    assert code == 0 and "class 0: [/]" in out, err
