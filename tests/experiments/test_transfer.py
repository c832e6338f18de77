import base64
import io
import json
import logging
import re
from contextlib import nullcontext
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import quadrants
from PIL import Image
from quadrants import OTHER, SURE, lit

import neatfool as nf
from neatfool.cli import run as cli
from neatfool.experiments.transfer import FoolingImages, map_classes, read_fooling_images, transfer, transfer_images
from neatfool.experiments.transfer.images import fit_images
from neatfool.experiments.transfer.page import write_transfer
from neatfool.models import ModelConfig
from neatfool.search import EvolveConfig, build_config
from neatfool.shared.text import percent


def evolve(out: Path, *, seed: int = 0) -> nf.Run:
    config = build_config(
        EvolveConfig().model_dump(), {"model": ModelConfig(name="quadrants:classifier", device="cpu").model_dump()}
    )
    return nf.evolve(config=config, generations=4, batch=20, seed=seed, out=out)


def test_rates_and_confidences_are_those_worked_out_by_hand():
    images, classes = lit(0, 1, 2, 3), np.arange(4)
    result = transfer_images(
        images, classes, [quadrants.classifier(), quadrants.turned()], source=quadrants.classifier()
    )
    assert result.targets == ("quadrants", "turned")
    assert result.itself == (True, False)
    np.testing.assert_allclose(result.source_confidence, SURE, rtol=1e-6)
    np.testing.assert_allclose(result.confidence[1], [OTHER, OTHER, SURE, SURE], rtol=1e-6)
    np.testing.assert_array_equal(result.top1[1], [1, 0, 2, 3])
    figures = result.figures(1)
    assert figures["same_class_rate"] == 0.5
    assert figures["agreement"] == 0.5
    assert figures["over_99_rate"] == 0
    assert figures["mean_confidence"] == pytest.approx((OTHER + SURE) / 2)
    first = result.summary()["per_class"][0]
    assert first["class_name"] == "top left"
    assert first["targets"][1] == pytest.approx({**first["targets"][1], "top1": "top right", "mean_confidence": OTHER})


def test_agreement_is_with_the_sources_verdict_not_with_the_class_evolved_for():
    result = transfer_images(lit(0, 1), np.array([3, 3]), [quadrants.classifier()], source=quadrants.classifier())
    assert result.figures(0)["same_class_rate"] == 0
    assert result.figures(0)["agreement"] == 1


def test_without_a_source_there_is_no_agreement():
    figures = transfer_images(lit(0), np.array([0]), [quadrants.classifier()]).figures(0)
    assert figures["agreement"] is None
    assert transfer_images(lit(0), np.array([0]), [quadrants.classifier()]).summary()["source_confidence"] is None


def test_confident_figures_cover_only_images_the_source_is_sure_of():
    result = transfer_images(
        lit(0, 1), np.array([0, 1]), [quadrants.turned()], source_confidence=np.array([0.995, 0.5], np.float32)
    )
    confident = result.summary()["targets"][0]["confident"]
    assert confident["images"] == 1
    assert confident["mean_confidence"] == pytest.approx(OTHER)


def test_the_matrix_holds_the_figures_of_each_single_transfer():
    runs = [
        FoolingImages("one", lit(0, 1), np.array([0, 1]), quadrants.classifier().class_names),
        FoolingImages("two", lit(2, 3), np.array([2, 3]), quadrants.classifier().class_names),
    ]
    matrix = transfer(runs, [quadrants.classifier(), quadrants.turned()])
    np.testing.assert_array_equal(matrix.matrix("same_class_rate"), [[1, 0], [1, 1]])
    assert np.isnan(matrix.matrix("agreement")).all()
    assert [run["run"] for run in matrix.summary()["runs"]] == ["one", "two"]


def test_images_are_resampled_whole():
    target = quadrants.classifier(size=28)
    fitted = fit_images(lit(1, size=224), target)
    assert fitted.shape == (1, 1, 28, 28)
    assert fitted[0, 0, :13, 15:].min() == 255
    assert fitted[0, 0, :, :13].max() == 0
    np.testing.assert_allclose(target.confidences(fitted)[0], [OTHER, SURE, OTHER, OTHER], atol=0.01)
    same = lit(1, size=28)
    assert fit_images(same, target) is same


def test_gray_images_are_refused_by_a_colour_classifier():
    with pytest.raises(nf.ModelError, match="gray but colour takes colour"):
        transfer_images(lit(0), np.array([0]), [quadrants.colour()])


def test_a_target_with_other_classes_is_refused():
    two = nf.Classifier(
        quadrants.Quadrants((0, 1)), input_size=8, channels=1, class_names=["top left", "cat"], device="cpu", name="two"
    )
    names = quadrants.classifier().class_names
    transfer_images(lit(0), np.array([0]), [two], class_names=names)
    for wrong in (1, 3):
        with pytest.raises(nf.ModelError, match=rf"does not know class {wrong}"):
            transfer_images(lit(wrong), np.array([wrong]), [two], class_names=names)
    with pytest.raises(nf.ModelError, match="no class 4"):
        transfer_images(lit(0), np.array([4]), [two], class_names=names)


def named(names, order=(0, 1, 2, 3)) -> nf.Classifier:
    module = quadrants.Quadrants(order)
    return nf.Classifier(module, input_size=8, channels=1, class_names=names, device="cpu", name="named")


def test_a_class_is_the_same_by_its_name_wherever_it_stands():
    names = ["a", "b", "c", "d"]
    # The first class has another name, the next two have changed places.
    target = named(["alpha", "c", "b", "d"], (0, 2, 1, 3))
    result = transfer_images(lit(0, 1, 2, 3), np.arange(4), [target], class_names=names)
    assert map_classes(names, target).tolist() == [0, 2, 1, 3]
    assert result.same_class.all()
    np.testing.assert_allclose(result.confidence[0], SURE, rtol=1e-6)
    assert result.target_classes.tolist() == [[0, 2, 1, 3]]


def test_a_target_with_some_of_the_classes_is_asked_for_those():
    two = named(["d", "b"], (3, 1))
    result = transfer_images(lit(1, 3), np.array([1, 3]), [two], class_names=["a", "b", "c", "d"])
    assert result.target_classes.tolist() == [[1, 0]]
    assert result.same_class.all() and result.confidence.min() > 0.9
    with pytest.raises(nf.ModelError, match="does not know class 2, c"):
        transfer_images(lit(2), np.array([2]), [two], class_names=["a", "b", "c", "d"])


def test_renamed_classes_are_told_of_once(caplog):
    with caplog.at_level(logging.WARNING):
        transfer_images(lit(0, 1), np.array([0, 1]), [named(list("wxyz"))], class_names=list("abcd"))
    assert [record.getMessage() for record in caplog.records] == [
        "named has other names for 4 classes, which are taken for the same: 'w' for 'a', 'x' for 'b', 'y' for 'c', and 1 more."
    ]


def test_classifiers_with_the_same_weights_are_not_the_same():
    plain = nf.load_classifier("density-mnist", device="cpu")
    noise = np.random.default_rng(0).integers(0, 256, (6, 1, 28, 28), dtype=np.uint8)
    classes = plain.confidences(noise).argmax(1)
    rejecting = nf.load_classifier("density-mnist-reject", device="cpu")
    assert plain.weights_hash() == rejecting.weights_hash()
    result = transfer_images(noise, classes, [plain, rejecting], source=plain)
    assert result.itself == (True, False)
    assert result.same_class[0].all() and not result.same_class[1].any()


def test_the_pictures_are_those_of_the_confidences_whatever_lies_in_the_folder(tmp_path):
    run = evolve(tmp_path / "run")
    folder = run.folder
    folder.write_images({0: 255 - run.archive.pixels()[0]})
    assert np.array_equal(folder.elites()[0].pixels, run.archive.pixels()[0])
    images = read_fooling_images(tmp_path / "run", quadrants.classifier().class_names)
    assert np.array_equal(images.images, run.archive.pixels())
    nf.write_report([folder], tmp_path / "report.html")
    buffer = io.BytesIO()
    Image.fromarray(run.archive.images()[0]).save(buffer, "PNG", optimize=True)
    assert base64.b64encode(buffer.getvalue()).decode() in (tmp_path / "report.html").read_text()


def test_other_names_for_the_same_number_of_classes_are_taken_for_the_same_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        transfer_images(lit(0), np.array([0]), [quadrants.classifier()], class_names=["a", "b", "c", "d"])
    assert "taken for the same" in caplog.text


@pytest.mark.parametrize(
    ("images", "classes"),
    [(lit(0)[0], [0]), (lit(0).astype(np.float32), [0]), (lit(0), [0, 1]), (lit(), [])],
)
def test_wrong_shapes_raise_value_error(images, classes):
    with pytest.raises(ValueError, match="images must be uint8"):
        transfer_images(images, np.array(classes, np.int64), [quadrants.classifier()])


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[0]).save(path)


@pytest.mark.parametrize("names", [["0.png", "3.png"], ["Top Left.png", "bottom right.png"], ["0/x.png", "3/y.png"]])
def test_a_folder_of_pictures_is_read_by_index_or_name(tmp_path, names):
    for name, image in zip(names, lit(0, 3), strict=True):
        save(tmp_path / name, image)
    found = read_fooling_images(tmp_path, quadrants.classifier().class_names)
    np.testing.assert_array_equal(found.classes, [0, 3])
    np.testing.assert_array_equal(found.images, lit(0, 3))


def test_folders_with_other_names_stand_for_the_classes_in_order(tmp_path):
    for name, image in zip(("n03", "n01", "n02", "n04"), lit(2, 0, 1, 3), strict=True):
        save(tmp_path / name / "a.png", image)
    found = read_fooling_images(tmp_path, quadrants.classifier().class_names)
    np.testing.assert_array_equal(found.classes, np.arange(4))
    np.testing.assert_array_equal(found.images, lit(0, 1, 2, 3))


def test_bad_folders_are_refused_with_a_sentence(tmp_path):
    names = quadrants.classifier().class_names
    with pytest.raises(nf.NeatfoolError, match="There is no folder"):
        read_fooling_images(tmp_path / "absent", names)
    with pytest.raises(nf.NeatfoolError, match="holds no pictures"):
        read_fooling_images(tmp_path, names)
    save(tmp_path / "0.png", lit(0)[0])
    save(tmp_path / "1.png", lit(1, size=16)[0])
    with pytest.raises(nf.NeatfoolError, match="equally large"):
        read_fooling_images(tmp_path, names)
    save(tmp_path / "cat.png", lit(0)[0])
    with pytest.raises(nf.NeatfoolError, match=r"cat\.png is not called by a class"):
        read_fooling_images(tmp_path, names)
    (tmp_path / "cat.png").unlink()
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(nf.NeatfoolError, match="cannot be read as an image"):
        read_fooling_images(tmp_path, names)


def test_a_run_is_read_with_its_classifier_even_without_its_pictures(tmp_path):
    run = evolve(tmp_path / "run")
    for picture in (tmp_path / "run" / "images").iterdir():
        picture.unlink()
    found = read_fooling_images(tmp_path / "run", ())
    np.testing.assert_array_equal(found.images, run.archive.pixels())
    np.testing.assert_array_equal(found.confidence, run.archive.confidence)
    assert found.source is not None
    assert found.source.weights_hash() == run.classifier.weights_hash()


def test_a_run_of_unknown_classifier_is_read_with_a_warning(tmp_path, caplog):
    evolve(tmp_path / "run")
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace("quadrants:classifier", "no_such_module:classifier"))
    with caplog.at_level(logging.WARNING):
        found = read_fooling_images(tmp_path / "run", ())
    assert found.source is None
    assert "cannot be loaded" in caplog.text
    result = transfer([found], [quadrants.classifier()]).results[0]
    assert result.source == "quadrants"
    assert result.figures(0)["agreement"] is None


def test_command_line_from_run_to_figures(tmp_path, capsys):
    evolve(tmp_path / "one", seed=0)
    evolve(tmp_path / "two", seed=1)
    out = tmp_path / "out"
    to = ["--to", "quadrants:classifier", "--weights", "default", "--to", "quadrants:turned", "--weights", "default"]
    code = cli(["transfer", str(tmp_path / "one"), *to, "--device", "cpu", "--out", str(out), "--json", "--quiet"])
    printed = capsys.readouterr().out
    result = json.loads(printed)
    assert code == 0
    assert printed.count("\n") == 1
    itself, turned = result["targets"]
    assert itself["itself"]
    assert itself["agreement"] == 1
    assert not turned["itself"]
    assert turned["agreement"] < 1
    assert result["images"] == 4
    assert json.loads((out / "transfer.json").read_text())["targets"] == result["targets"]
    assert "bottom &lt;left&gt;" in (out / "transfer.html").read_text()
    assert size_of(out / "transfer.png") > (1000, 500)
    before = (out / "transfer.png").read_bytes(), (out / "transfer.html").read_bytes()

    assert cli(["transfer", str(tmp_path / "one"), *to, "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert ((out / "transfer.png").read_bytes(), (out / "transfer.html").read_bytes()) == before

    both = [str(tmp_path / name) for name in ("one", "two")]
    assert cli(["transfer", *both, *to, "--out", str(tmp_path / "both"), "--json"]) == 0
    several = json.loads(capsys.readouterr().out)
    assert np.array(several["same_class_rate"]).shape == (2, 2)
    assert several["runs"][0]["targets"] == result["targets"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "quadrants:colour"], "The images are gray but colour takes colour images"),
        (
            ["--to", "quadrants:turned", "--weights", "default", "--weights", "default"],
            "There are 1 --to but 2 --weights",
        ),
        (["--to", "lenet"], "There is no model named 'lenet'"),
        ([], "Missing option"),
    ],
)
def test_wrong_options_end_with_one_sentence(tmp_path, capsys, options, message):
    evolve(tmp_path / "run")
    assert cli(["transfer", str(tmp_path / "run"), *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def spoken(page: str) -> list[str]:
    """The text of the figures of a page."""
    return [unescape(text) for text in re.findall("<text.*?>(.*?)</text>", page)]


def test_the_page_shows_every_image_with_what_each_classifier_sees(tmp_path):
    classifier = quadrants.classifier()
    names = ("$x$", r"\frac", "<b>", "")
    images = FoolingImages("few", lit(0, 1, 2, 3), np.arange(4), names, source=classifier)
    write_transfer(transfer([images], [quadrants.turned()]), tmp_path)
    page = (tmp_path / "transfer.html").read_text()
    assert page.count("<image ") == 4
    shown = spoken(page)
    for name in (*names[:3], "class 3"):
        assert name in shown
    # `turned` takes the upper two for each other.
    assert shown.count(f"sees {quadrants.turned().class_names[1]}") == 1
    assert "2 of 4" in shown
    assert shown.count(percent(OTHER)) == 2
    assert "<b>" not in re.sub("<td.*?</td>", "", page)


def test_the_page_of_several_sets_shows_the_matrix(tmp_path):
    names = quadrants.classifier().class_names
    sets = [
        FoolingImages("one", lit(0, 1), np.array([0, 1]), names),
        FoolingImages("two", lit(2), np.array([2]), names),
    ]
    write_transfer(transfer(sets, [quadrants.classifier(), quadrants.turned()]), tmp_path)
    page = (tmp_path / "transfer.html").read_text()
    matrix = spoken(page[page.index("<svg") : page.index("</svg>")])
    assert [text for text in matrix if text in ("one", "two", "100 %", "0.00 %")] == [
        "one", "100 %", "0.00 %", "two", "100 %", "100 %",
    ]  # fmt: skip


def test_figures_of_many_images(tmp_path):
    images = np.tile(lit(0, 1, 2, 3), (15, 1, 1, 1))
    names = quadrants.classifier().class_names
    runs = [FoolingImages("many", images, np.tile(np.arange(4), 15), names, source=quadrants.classifier())]
    write_transfer(transfer(runs, [quadrants.turned()]), tmp_path)
    page = (tmp_path / "transfer.html").read_text()
    assert page.count("<img") == 60
    source, target = (
        re.findall(rf'd="([^"]*)" style="[^"]*stroke: var\(--{colour}\)', page)[1] for colour in ("c0", "c1")
    )
    assert source.count("L") == target.count("L") == 59
    assert page.count("<image ") == 16
    assert "turned: same class for 50.00 % of 60 images" in spoken(page)
    assert size_of(tmp_path / "transfer.png") > (1000, 500)


def test_real_networks_fool_each_other(shared):
    weights = shared / "weights" / "lenet_caffe_mnist.safetensors"
    if not weights.exists():
        pytest.skip(f"needs {weights}")
    source = nf.load_classifier("lenet-mnist", weights=weights, device="cpu")
    run = nf.evolve(source, generations=15, batch=100, seed=1)
    untrained = nf.load_classifier("mlp-mnist", weights="none", device="cpu")
    result = transfer_images(run.archive.pixels(), run.archive.classes, [source, untrained], source=source)
    np.testing.assert_array_equal(result.confidence[0], run.archive.confidence)
    assert result.figures(0)["agreement"] == 1
    assert result.figures(1)["mean_confidence"] < 0.3


def test_interrupted_it_says_so_and_ends_with_130(tmp_path, capsys, monkeypatch):
    evolve(tmp_path / "run")
    monkeypatch.setattr("neatfool.cli.transfer.graceful_interrupt", lambda message: nullcontext(lambda: True))
    assert cli(["transfer", str(tmp_path / "run"), "--to", "quadrants:classifier", "--quiet"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"
