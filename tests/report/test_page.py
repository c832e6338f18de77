"""The HTML report, read back as a browser would."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from example_runs import make_run
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neatfool.errors import ConfigError, RunError
from neatfool.figures.charts import MOST_POINTS
from neatfool.figures.course import Series, draw_course
from neatfool.figures.output import inline_svg
from neatfool.figures.style import SERIES
from neatfool.report import write_report
from neatfool.report.summary import summarise
from neatfool.runs import RunFolder
from neatfool.shared.text import percent

DIGITS = [f"digit {index}" for index in range(10)]
HOSTILE = '</title></pre><script>alert(1)</script><img src=x onerror="alert(2)">\''


class Page(HTMLParser):
    """Elements with their attributes, and the text a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] == [] or self.elements[-1][0] != "script":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def report(*runs: RunFolder, out: Path | None = None) -> Page:
    out = out or runs[0].path / "report.html"
    write_report(runs, out)
    return Page(out.read_text(encoding="utf-8"))


def tiles_of(page: Page) -> list[dict[str, str | None]]:
    return [attributes for attributes in page.all("li") if "data-class" in attributes]


def entries_of(path: Path) -> dict[str, Any]:
    """What the large views of a page show, by the fragment of the permalink."""
    blocks = re.findall(
        r'<script type="application/json" class="entries"[^>]*>(.*?)</script>',
        path.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    return {anchor: entry for block in blocks for anchor, entry in json.loads(block).items()}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "run", class_names=DIGITS)


def pictures(page: Page) -> list[np.ndarray]:
    sources = [attributes["src"] or "" for attributes in page.all("img")]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))) for source in sources]


def test_every_elite_is_shown_with_name_confidence_and_generation(run: RunFolder) -> None:
    page = report(run)
    tiles = tiles_of(page)
    elites = run.elites()
    best = sorted(elites, key=lambda elite: -elite.confidence)
    assert [int(tile["data-class"] or "") for tile in tiles] == [elite.class_index for elite in best]
    for elite, picture in zip(best, pictures(page), strict=True):
        np.testing.assert_array_equal(picture, run.image(elite.class_index))
        assert elite.class_name in page.text
        assert percent(elite.confidence) in page.text
        assert f"#{elite.class_index} · gen {elite.generation}" in page.text
    for fact in ("evolve · cppn · map-elites · seed 0", "4,200", "sha256:9f2c4e7d", 'coordinates = "pixel"', "2.4.0"):
        assert fact in page.text
    assert "neatfool evolve --config config.toml" in page.text
    assert any("pixelated" in (attributes.get("class") or "") for attributes in page.all("ol"))


def test_the_page_needs_nothing_from_outside(run: RunFolder, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", class_names=DIGITS, shape=(3, 400, 400), seed=1)
    page = report(run, other, out=tmp_path / "both.html")
    for _, attributes in page.elements:
        assert not {"srcset", "poster", "background", "action"} & attributes.keys()
        for name in ("src", "href", "data", "xlink:href"):
            assert re.match(r"data:image/|#(run-\d+-class-\d+|run-\d+)$", attributes.get(name) or "#run-1")
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.elements}
    text = (tmp_path / "both.html").read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    text = text.replace('url("${image}")', "")  # a data URI of the page
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp|import\(", text)


def test_every_image_has_a_permalink_and_an_entry(run: RunFolder) -> None:
    page = report(run)
    links = {attributes["href"] for attributes in page.all("a")}
    assert links == {f"#class-{index}" for index in range(10)}
    assert {f"#{anchor}" for anchor in entries_of(run.path / "report.html")} == links


def test_a_page_with_a_folder_loads_from_it_alone(run: RunFolder, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for index in range(10):
        (data / f"digit {index}").mkdir(parents=True)
        Image.new("RGB", (300, 200), (9 * index, 0, 0)).save(data / f"digit {index}" / "one.png")
    out = tmp_path / "out 1%"
    out.mkdir()
    write_report(run, out / "my #1 page.html", data=data, apart=True)
    html = (out / "my #1 page.html").read_text(encoding="utf-8")
    folder = out / "my #1 page-files"
    page = Page(html)
    sources = [attributes["src"] or "" for attributes in page.all("img")]
    assert len(sources) == 10
    assert {attributes.get("loading") for attributes in page.all("img")} == {"lazy"}
    assert set(entries_of(out / "my #1 page.html").values()) == {None}
    assert "data:image" not in html
    for anchor in entries_of(out / "my #1 page.html"):
        text = (folder / f"{anchor}.js").read_text(encoding="utf-8")
        name, entry = json.loads(text.replace("receive(", "[", 1).removesuffix(");\n") + "]")
        assert (name, entry["confidence"]) == (anchor, percent(run.elites()[entry["class"]].confidence))
        sources += [entry["image"], *entry["photographs"]]
        assert len(entry["photographs"]) == 1
    assert len(sources) == 30
    for source in sources:
        place = out / unquote(source)
        assert place.parent == folder
        with Image.open(place) as picture:
            assert picture.size in ((28, 28), (224, 149))
    write_report(run, tmp_path / "again.html", apart=True)
    assert {path.name for path in (tmp_path / "again-files").iterdir()} < {path.name for path in folder.iterdir()}


def test_groups_of_classes_are_on_the_page(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_text('{"even": "0, 2, 4", "odd": {"prime": [3, 5, 7]}}')
    write_report(run, tmp_path / "page.html", hierarchy=tmp_path / "groups.json")
    about = re.search(
        r'<script type="application/json" id="page">(.*?)</script>', (tmp_path / "page.html").read_text(), re.DOTALL
    )
    assert about
    assert json.loads(about[1])["hierarchy"] == [
        {"name": "even", "classes": [0, 2, 4], "groups": []},
        {"name": "odd", "classes": [], "groups": [{"name": "prime", "classes": [3, 5, 7], "groups": []}]},
    ]
    other = make_run(tmp_path / "other", class_names=["a", "b"])
    with pytest.raises(ConfigError, match="different classes"):
        write_report([run, other], tmp_path / "page.html", hierarchy=tmp_path / "groups.json")
    write_report([run, other], tmp_path / "page.html")


def test_runs_that_differ_in_their_seeds_stand_together(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"run-{number}", class_names=["a", "b"], seed=number) for number in range(3)]
    config = tmp_path / "run-1" / "config.toml"
    config.write_text(
        config.read_text().replace('name = "cppn"', 'name = "direct"').replace('coordinates = "pixel"\n', "")
    )
    report(runs[0], RunFolder.open(tmp_path / "run-1"), runs[2], out=tmp_path / "page.html")
    table = re.search(r'<table class="faces">(.*?)</table>', (tmp_path / "page.html").read_text(), re.DOTALL)
    assert table
    first, second = re.findall("<tr>(.*?)</tr>", table[1].partition("</thead>")[0], re.DOTALL)
    assert re.findall(r'colspan="(\d)">(.*?)</th>', first) == [("2", "cppn · map-elites"), ("1", "direct · map-elites")]
    assert re.findall(r'title="(.*?)"', second) == ["run-0", "run-2", "run-1"]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "<b>run",
        class_names=[HOSTILE, "b"],
        model=HOSTILE,
        weights_hash=HOSTILE,
        command_line=HOSTILE,
        preprocessing={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        platform=HOSTILE,
    )
    run.config[HOSTILE] = HOSTILE
    run.config["encoding"] = HOSTILE
    for page, single in ((report(run, run), False), (report(run), True)):
        scripts = [attributes.get("type") for attributes in page.all("script")]
        assert scripts.count(None) == 1
        assert set(scripts) == {None, "application/json"}
        assert page.all("b") == ([{}] * len(page.all("img")) if single else [])
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        assert HOSTILE in page.text
    assert next(iter(entries_of(run.path / "report.html").values()))["name"] in (HOSTILE, "b")


def test_a_report_is_the_same_bytes_every_time(run: RunFolder, tmp_path: Path) -> None:
    write_report([run], tmp_path / "a.html")
    write_report([RunFolder.open(run.path)], tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_several_runs_are_compared_first(run: RunFolder, tmp_path: Path) -> None:
    runs = [run, make_run(tmp_path / "second", class_names=DIGITS, seed=7, generations=30)]
    page = report(*runs, out=tmp_path / "both.html")
    links = [attributes["href"] or "" for attributes in page.all("a")]
    assert links[:2] == ["#run-1", "#run-2"]
    assert sorted(links[2:]) == sorted(f"#run-{run}-class-{index}" for run in (1, 2) for index in range(10))
    assert {"run-1", "run-2"} <= {attributes.get("id") for attributes in page.all("section")}
    table = (tmp_path / "both.html").read_text(encoding="utf-8").partition("</table>")[0]
    _head, *rows = re.findall("<tr>(.*?)</tr>", table, re.DOTALL)
    for one, generations, row in zip(runs, (20, 30), rows, strict=True):
        confidence = one.load_checkpoint()[0]["archive.confidence"].astype(np.float64)
        name, model, how, *numbers = (re.sub("<.*?>", "", cell) for cell in re.findall("<td.*?>(.*?)</td>", row))
        assert (name, model, how.split(" · ")[0]) == (one.path.name, "lenet-mnist", "evolve")
        assert numbers == [
            str(generations),
            f"{200 * (generations + 1):,}",
            *(percent(float(value)) for value in (np.median(confidence), confidence.mean(), confidence.min())),
            f"{(confidence >= 0.99).sum()} of 10",
            str((confidence >= 0.9999).sum()),
        ]
    assert len(page.all("svg")) == 5  # of each run on two scales
    assert len(page.all("img")) == 20


def test_many_large_images_become_thumbnails(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=[f"c{n}" for n in range(41)], shape=(3, 300, 200), generations=1)
    assert {picture.shape for picture in pictures(report(run))} == {(112, 75, 3)}


def test_few_large_images_stay_whole(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=["a", "b"], shape=(3, 227, 227), generations=1)
    (class_index, *_), picture = (
        (int(tile["data-class"] or "") for tile in tiles_of(report(run))),
        pictures(report(run))[0],
    )
    np.testing.assert_array_equal(picture, run.image(class_index))


def test_runs_of_other_experiments_are_reported(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=DIGITS, command="ascend", command_line="neatfool ascend --all")
    run.config.clear()
    (run.path / "metrics.jsonl").write_text('{"step": 1, "median_confidence": 0.5}\n{"step": 2}\n')
    (run.path / "images" / "3.png").unlink()
    page = report(run)
    assert "neatfool ascend --all" in page.text
    assert "no image" in page.text
    assert len(page.all("img")) == 9
    assert page.all("svg") == []
    assert "gen " not in page.text


def test_a_run_that_has_only_begun_is_reported(run: RunFolder) -> None:
    (run.path / "checkpoint" / "state.safetensors").unlink()
    (run.path / "metrics.jsonl").unlink()
    page = report(run)
    assert "No images yet" in page.text
    assert page.all("img") == page.all("svg") == []


def test_reporting_nothing_or_a_damaged_run_fails(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one run"):
        write_report([], tmp_path / "report.html")
    (run.path / "images" / "0.png").write_bytes(b"x")
    with pytest.raises(RunError, match=r"0\.png"):
        write_report([run], tmp_path / "report.html")
    good = make_run(tmp_path / "good", class_names=["a"])
    with pytest.raises(RunError, match="cannot be written"):
        write_report([good], tmp_path / "absent" / "report.html")


@pytest.mark.parametrize(
    ("confidence", "text"),
    [
        (1.0, "100 %"),
        (float(np.nextafter(np.float32(1), np.float32(0))), "99.9999 %"),
        (0.999987, "99.9987 %"),
        (0.9999, "99.9900 %"),
        (0.99, "99.0000 %"),
        (0.98999, "98.99 %"),
        (0.2159, "21.59 %"),
        (1e-7, "< 0.01 %"),
        (0.0, "0.00 %"),
    ],
)
def test_percentages_are_rounded_down(confidence: float, text: str) -> None:
    assert percent(confidence) == text


@given(st.floats(0, 1))
def test_no_percentage_promises_more_than_there_is(confidence: float) -> None:
    text = percent(confidence)
    assert (text == "100 %") == (confidence == 1)
    assert text == "< 0.01 %" or float(text.removesuffix(" %")) <= confidence * 100 * (1 + 1e-15)


def test_summary_of_known_confidences(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=DIGITS)
    arrays, _ = run.load_checkpoint()
    arrays["archive.confidence"] = np.array([-1, 0.25, 0.5, 0.99, 0.995, 1, -1, -1, -1, -1], np.float32)
    run.save_checkpoint(arrays, {})
    summary = summarise(run)
    assert (len(summary.elites), summary.over_99, summary.over_9999) == (5, 3, 1)
    assert summary.median == float(np.float32(0.99))
    assert summary.mean == pytest.approx(0.747, abs=1e-7)
    assert (summary.minimum, summary.generations, summary.evaluations) == (0.25, 20, 4200)


def test_summary_and_report_take_a_confidence_that_rounding_put_above_one(run: RunFolder) -> None:
    arrays, metadata = run.load_checkpoint()
    arrays["archive.confidence"] = np.full_like(arrays["archive.confidence"], 1 + 5e-5)
    run.save_checkpoint(arrays, metadata)
    (run.path / "metrics.jsonl").write_text(
        '{"evaluations": 200, "median_confidence": 0.5}\n{"evaluations": 400, "median_confidence": 1.00000012}\n'
    )
    summary = summarise(run)
    assert (summary.median, summary.minimum, summary.over_9999) == (1, 1, 10)
    page = report(run)
    assert page.text.count("100 %") >= 13  # elites, median, mean, lowest
    assert "Median confidence: 100 %" in page.text
    assert not re.search(r"1[0-9]{2}\.[0-9]+ %", page.text)


@pytest.mark.parametrize("metrics", [None, "", "{}\n", "{}\n{}\n{}\n", '{"generation": 1}\n{"torn', '{"a": null}\n'])
def test_without_numbers_in_the_metrics_there_is_no_chart(run: RunFolder, tmp_path: Path, metrics: str | None) -> None:
    path = run.path / "metrics.jsonl"
    path.unlink()
    if metrics is not None:
        path.write_text(metrics)
    for page in (report(run), report(run, run, out=tmp_path / "both.html")):
        assert page.all("svg") == []
        assert len(page.all("img")) in (10, 20)
        assert "median confidence" in page.text


def course(*series: Series) -> tuple[list[list[tuple[float, float]]], str] | None:
    """The lines of a chart as points in [0, 1], and its text; None without a chart."""
    figure = draw_course(series)
    if figure is None:
        return None
    svg = inline_svg(figure, "chart")
    rules = re.findall(r'd="M (\S+) (\S+) L (\S+) (\S+)" style="fill: none; stroke: var\(--rule\)"', svg)
    left, right = float(rules[0][0]), float(rules[0][2])
    bottom, top = float(rules[0][1]), float(rules[-1][1])
    lines = []
    for colour in SERIES[: len(series)]:
        _stroke, *drawn = re.findall(rf'd="([^"]*)" style="[^"]*stroke: var\(--{colour}\)', svg) or [""]
        for path in drawn:
            points = [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path)]
            lines.append([((x - left) / (right - left), (bottom - y) / (bottom - top)) for x, y in points])
    return lines, Page(svg).text


def test_chart_of_known_rows() -> None:
    rows = [{"evaluations": 0, "a": 0, "n": 0}, {"evaluations": 50, "a": 0.25}, {"evaluations": 200, "a": 1, "n": 5}]
    drawn = course(Series("A", rows, "a"), Series("N", rows, "n", whole=10), Series("absent", rows, "z"))
    assert drawn is not None
    (first, second), text = drawn
    np.testing.assert_allclose(first, [(0, 0), (0.25, 0.25), (1, 1)], atol=1e-6)
    np.testing.assert_allclose(second, [(0, 0), (1, 0.5)], atol=1e-6)
    assert "A: 100 %" in text
    assert "N: 50.00 %" in text
    assert "evaluations" in text
    assert "absent" not in text


def test_chart_falls_back_to_generations_and_thins_long_runs() -> None:
    drawn = course(Series("A", [{"generation": n, "a": n / 10_000} for n in range(10_000)], "a"))
    assert drawn is not None
    (points,), text = drawn
    assert "generations" in text
    assert len(points) == MOST_POINTS
    np.testing.assert_allclose([points[0], points[-1]], [(0, 0), (1, 0.9999)], atol=1e-6)
    assert points == sorted(set(points))


_anything = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.integers(), st.floats(), st.just(10**400))


@given(st.lists(st.dictionaries(st.sampled_from(["evaluations", "generation", "a"]), _anything)))
def test_charts_survive_any_metrics(rows: list[dict[str, object]]) -> None:
    drawn = course(Series("A", rows, "a", whole=3))
    if drawn is not None:
        assert all(-1e-6 <= place <= 1 + 1e-6 for line in drawn[0] for point in line for place in point)


def test_the_page_carries_the_last_values_of_the_chart(run: RunFolder) -> None:
    last = run.metrics()[-1]
    text = report(run).text
    assert f"Median confidence: {percent(last['median_confidence'])}" in text
    assert f"Classes ≥ 99 %: {percent(last['classes_over_99'] / 10)}" in text


@pytest.mark.slow
def test_a_thousand_noisy_images_fit_forty_megabytes(tmp_path: Path) -> None:
    names = [f"class {index}" for index in range(1000)]
    run = make_run(tmp_path / "run", class_names=names, shape=(3, 224, 224), noise=1, generations=5)
    page = report(run)
    assert len(page.all("img")) == 1000
    assert (run.path / "report.html").stat().st_size < 40e6
