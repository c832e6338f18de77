"""`neatfool reproduce`, smallest scale, on data made up on the spot."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from digits import write_digits
from PIL import Image
from safetensors.numpy import load_file

from neatfool import load_classifier, resume
from neatfool.cli import run
from neatfool.errors import ConfigError, ModelError
from neatfool.experiments.reproduction import reproduce
from neatfool.experiments.reproduction.context import Context
from neatfool.experiments.reproduction.plan import plan_rows, spans_of
from neatfool.experiments.reproduction.rows import many_not_all, mnist_networks
from neatfool.experiments.reproduction.settings import ReproductionConfig
from neatfool.models import ModelConfig
from neatfool.training import save_classifier

MNIST_ROWS = [1, 2, 5, 6, 7, 9, 10, 11]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder, "train", 300)
    write_digits(folder, "t10k", 100)
    return folder


@pytest.mark.slow
def test_all_rows_of_mnist_make_a_table(digits, tmp_path, capsys):
    command = [
        "reproduce",
        "mnist",
        "--data",
        str(digits),
        "--scale",
        "smoke",
        "--out",
        str(tmp_path / "r"),
        "--device",
        "cpu",
    ]
    assert run([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["row"] for row in rows] == MNIST_ROWS
    table = (tmp_path / "r" / "reproduction.md").read_text()
    lines = [line.split(" | ") for line in table.splitlines() if re.match(r"\| \d", line)]
    assert [int(line[0].removeprefix("| ")) for line in lines] == MNIST_ROWS
    for row, line in zip(rows, lines, strict=True):
        assert row["seconds"] > 0
        assert line[3] == row["ours"]
    for number, line in zip((1, 2), lines, strict=False):  # what the runs of the rows themselves hold
        confidence = load_file(tmp_path / "r" / f"row-{number}" / "checkpoint" / "state.safetensors")[
            "archive.confidence"
        ]
        median, lowest, over = re.match(r"median (\S+) %, lowest (\S+) %; (\d+) of 10 classes", line[3]).groups()
        assert float(median) == pytest.approx(100 * np.median(confidence), abs=0.01)
        assert float(lowest) == pytest.approx(100 * confidence.min(), abs=0.01)
        assert int(over) == (confidence >= 0.99).sum()
    assert {row["row"]: row["evaluations"] for row in rows}[1] == 40 + 5 * 40

    before = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "r").rglob("*")
        if path.stem != "reproduction" and path.suffix != ".lock" and not path.name.startswith(".")
    }
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == rows
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


@pytest.mark.slow
def test_rows_of_imagenet_run_on_any_photographs(tmp_path, capsys):
    random = np.random.default_rng(0)
    for name in "abcd":
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for number in range(2):
            pixels = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photographs" / name / f"{number}.png")
    for model in ("squeezenet1_1", "shufflenet_v2_x0_5"):
        classifier = load_classifier(model, weights="none", device="cpu")
        save_classifier(classifier, tmp_path / f"{model}.safetensors", notes={})
    first, other = (str(tmp_path / f"{model}.safetensors") for model in ("squeezenet1_1", "shufflenet_v2_x0_5"))
    options = {
        "--data": str(tmp_path / "photographs"),
        "--scale": "smoke",
        "--crops": "1",
        "--device": "cpu",
        "--model": "squeezenet1_1",
        "--weights": first,
        "--to": "shufflenet_v2_x0_5",
        "--to-weights": other,
        "--rows": "3,4,6,9",
        "--out": str(tmp_path / "r"),
    }
    code = run(["reproduce", "imagenet", *(part for option in options.items() for part in option), "--json"])
    assert code == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["row"] for row in rows] == [3, 4, 6, 9]
    assert "another network" in rows[0]["differs"]


def test_the_page_has_every_row_with_its_rule_and_links_to_the_runs(digits, tmp_path, capsys):
    options = ["--scale", "smoke", "--rows", "1,5,9", "--device", "cpu", "--out", str(tmp_path / "r")]
    assert run(["reproduce", "mnist", "--data", str(digits), *options]) == 0
    assert str(tmp_path / "r/reproduction.html") in capsys.readouterr().out.replace("\n", "")
    page = (tmp_path / "r/reproduction.html").read_text()
    verdicts = re.findall(r'<h2>(\d+)\. .*? <span class="chip[^"]*">([^<]+)</span></h2>', page)
    # Row 1 ends far below 99.99 %, two classes of row 5 do not, and two elites are too few for row 9.
    decided = {"1": "differs", "5": "agrees", "9": "undecided"}
    assert dict(verdicts) == {str(number): decided.get(str(number), "not run") for number in MNIST_ROWS}
    assert page.count("Agrees where ") == len(MNIST_ROWS)
    links = [link for link in re.findall(r'href="([^"]+)"', page) if not link.startswith("#")]
    assert {"row-1/report.html", "row-5-with/report.html", "row-9/repetition.html"} <= set(links)
    assert all((tmp_path / "r" / link).is_file() for link in links)


def test_rows_that_were_made_before_there_were_rules_are_undecided(digits, tmp_path):
    done = reproduce("mnist", data=digits, out=tmp_path / "r", scale="smoke", rows=[1])
    assert done.rows[0].agrees is False
    replace(done, rows=(replace(done.rows[0], agrees=None),)).write()
    assert '<span class="chip">undecided</span>' in (tmp_path / "r/reproduction.html").read_text()


@pytest.mark.parametrize(
    ("kept", "agrees"), [([1.0, 1.0], False), ([0.0, 0.1], False), ([0.02, 0.4], True), ([1.0, 0.5], True)]
)
def test_transfer_agrees_where_many_but_not_all_images_keep_their_class(kept, agrees):
    assert many_not_all(kept) is agrees


def test_an_interrupted_reproduction_goes_on_where_it_stopped(digits, tmp_path):
    said: list[str] = []
    done = reproduce(
        "mnist",
        data=digits,
        out=tmp_path / "r",
        scale="smoke",
        rows=[1, 2],
        progress=lambda now: said.append(now.task),
        stop=lambda: any(task.startswith("row 2") for task in said),
    )
    assert [row.row for row in done.rows] == [1] and not done.done
    page = (tmp_path / "r/reproduction.html").read_text()
    assert re.findall(
        r"Not done yet\. There is (row-2 after \d+ generations, with a median confidence of [\d.]+ %)\.", page
    )
    assert '<span class="chip">begun</span>' in page
    assert page.count("Not run.") == len(MNIST_ROWS) - 2
    again: list[str] = []
    done = resume(tmp_path / "r", progress=lambda now: again.append(now.task))
    assert [row.row for row in done.rows] == [1, 2] and done.done
    assert not any(task.startswith("row 1") for task in again)


@pytest.mark.slow
def test_retraining_that_is_interrupted_in_its_first_round_is_done_another_time(digits, tmp_path):
    said: list[str] = []
    begun = lambda: any("round 0" in line for line in said)  # noqa: E731
    settings = {
        "data": digits,
        "out": tmp_path / "r",
        "scale": "smoke",
        "rows": [7],
        "progress": lambda now: said.append(now.task),
    }
    assert reproduce("mnist", stop=begun, **settings).rows == ()
    (done,) = reproduce("mnist", **settings).rows
    assert done.row == 7 and "DNN2" in done.ours


def test_unknown_scales_and_rows_are_named(digits, tmp_path):
    with pytest.raises(ConfigError, match="no scale 'huge'; choose smoke, small, full"):
        reproduce("mnist", data=digits, out=tmp_path, scale="huge")
    with pytest.raises(ConfigError, match="mnist has no row 8; its rows are 1, 2, 5, 6, 7, 9, 10, 11"):
        reproduce("mnist", data=digits, out=tmp_path, rows=[8])


def test_a_folder_is_continued_with_its_own_settings_only(digits, tmp_path):
    common = {"data": digits, "out": tmp_path / "r"}
    reproduce("mnist", scale="smoke", rows=[1], **common)
    for what, change in (("scale", {"scale": "full"}), ("seed", {"scale": "smoke", "seed": 7})):
        with pytest.raises(ConfigError, match=f"begun with another {what}"):
            reproduce("mnist", **common, **change)
    with pytest.raises(ConfigError, match="begun with another what"):
        reproduce("imagenet", scale="smoke", **common, model=ModelConfig(name="lenet-mnist"))
    done = reproduce("mnist", scale="smoke", rows=[2], **common)
    assert [row.row for row in done.rows] == [1, 2]


def test_a_row_that_was_killed_before_its_first_checkpoint_is_done(digits, tmp_path):
    reproduce("mnist", data=digits, out=tmp_path / "r", scale="smoke", rows=[1])
    evolved = tmp_path / "r/row-1"
    (evolved / "checkpoint/state.safetensors").unlink()
    (tmp_path / "r/checkpoint/state.safetensors").unlink()
    done = resume(tmp_path / "r")
    assert [row.row for row in done.rows] == [1]


@pytest.mark.slow
def test_a_stop_in_row_6_trains_no_further_network(digits, tmp_path):
    said: list[str] = []
    stop = lambda: any("training" in task for task in said)  # noqa: E731
    tell = lambda now: said.append(now.task)  # noqa: E731
    done = reproduce("mnist", data=digits, out=tmp_path / "r", scale="smoke", rows=[6], progress=tell, stop=stop)
    assert done.rows == ()
    assert not list((tmp_path / "r/networks").iterdir())


def test_the_device_reaches_every_row(digits, tmp_path):
    config = ReproductionConfig(
        what="mnist", scale="smoke", data=str(digits), model=ModelConfig(device="cpu"), seed=0, rows=(6,)
    )
    seen: list[str] = []
    context = Context(config, tmp_path, False, "row 6", lambda now: seen.append(now.task), lambda: False)
    networks = mnist_networks(context)
    assert [str(network.device) for network in networks] == ["cpu"] * 3
    assert len(seen) == 3
    with pytest.raises(ModelError, match="no device cuda:99"):
        mnist_networks(replace(context, config=config.model_copy(update={"model": ModelConfig(device="cuda:99")})))


def test_the_plan_has_every_row_and_counts_a_run_that_several_rows_need_once():
    config = ReproductionConfig(
        what="mnist", scale="small", data="", model=ModelConfig(), rows=(1, 2, 5, 6, 7, 9, 10, 11)
    )
    plan = plan_rows(config)
    assert list(plan) == list(config.rows)
    assert plan[2] == {"row-2": 101 * 200}
    assert plan[9]["row-2"] == 0
    assert plan_rows(config.model_copy(update={"rows": (9,)}))[9]["row-2"] == 101 * 200
    spans = spans_of(plan[10], 0.5, 0.75)
    assert list(spans) == ["row-2", "row-10-seed-1", "row-10-seed-2", "comparing"]
    assert spans["row-2"] == (0.5, 0.5)
    assert spans["row-10-seed-1"][1] == spans["row-10-seed-2"][0]
    assert spans["comparing"][1] == pytest.approx(0.75)


def test_one_share_rises_over_all_rows(digits, tmp_path):
    told = []
    reproduce("mnist", data=digits, out=tmp_path / "r", scale="smoke", rows=[1, 2], progress=told.append)
    shares = [now.share for now in told]
    assert np.diff(shares).min() > -1e-9
    assert (shares[0], shares[-1]) == (0, pytest.approx(1))
    assert len(set(shares)) > 10
