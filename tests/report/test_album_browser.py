"""The report in a real browser: what opens, by what, and what the address says."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_runs import make_run

import neatfool as nf
from neatfool.report import write_report
from neatfool.runs import RunFolder
from neatfool.search import build_config, load_search, read_config
from neatfool.shared.text import percent

HOSTILE = '</script><img src=x onerror="document.title=1"><b>\''


@pytest.fixture(scope="module")
def evolved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real run of ten classes."""
    folder = tmp_path_factory.mktemp("album") / "run"
    run = nf.evolve("lenet-mnist", encoding=nf.Cppn(initial_mutations=12), generations=3, batch=20, out=folder)
    write_report(run, folder / "report.html")
    return folder / "report.html"


class Visit:
    """A page, and whatever went wrong on it."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.faults: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._request)
        self.address = path.as_uri() + fragment
        self.page.goto(self.address)

    def _request(self, request: Any) -> None:
        page = self.address.partition("#")[0]
        if not request.url.startswith(("data:", page, page.replace(".html", "-files/"), "blob:")):
            self.faults.append(request.url)

    def until(self, condition: str) -> None:
        """Waits until a condition holds. Playwright's own way would evaluate in the page, which forbids that."""
        end = time.monotonic() + 30
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"{condition} never holds; the address is {self.page.url}"
            self.page.wait_for_timeout(20)

    @property
    def name(self) -> str | None:
        """What the large view shows."""
        return self.page.text_content("#view-name") if self.page.locator("dialog[open]").count() else None

    @property
    def shown(self) -> list[str]:
        return [tile.get_attribute("id") for tile in self.page.query_selector_all(".tile") if tile.is_visible()]


def test_the_large_view_opens_by_mouse_and_closes_where_it_was_opened(browser: Any, evolved: Path) -> None:
    visit = Visit(browser, evolved)
    visit.page.click("#class-3")
    assert visit.name == "3 #3"
    visit.until("location.hash === '#class-3'")
    text = visit.page.text_content("dialog")
    for part in ("What the classifier sees", "ancestors", "The network that draws it", "gen 0"):
        assert part in text
    assert visit.page.locator("dialog .bars dt").count() == 5
    assert visit.page.eval_on_selector("dialog .picture", "image => image.getBoundingClientRect().width") >= 500
    visit.page.keyboard.press("Escape")
    visit.until("location.hash === ''")
    assert visit.name is None
    assert visit.page.evaluate("document.activeElement.id") == "class-3"
    assert visit.faults == []


def test_the_keyboard_does_all_of_it(browser: Any, evolved: Path) -> None:
    visit = Visit(browser, evolved)
    order = visit.shown
    assert visit.page.locator('.tile[tabindex="0"]').count() == 1
    visit.page.focus(f"#{order[0]}")
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.evaluate("document.activeElement.id") == order[1]
    visit.page.keyboard.press("End")
    assert visit.page.evaluate("document.activeElement.id") == order[-1]
    visit.page.keyboard.press("Home")
    visit.page.keyboard.press("Enter")
    visit.until(f"location.hash === '#{order[0]}'")
    visit.page.keyboard.press("ArrowRight")
    visit.until(f"location.hash === '#{order[1]}'")
    visit.page.keyboard.press("ArrowLeft")
    visit.page.keyboard.press("ArrowLeft")
    visit.until(f"location.hash === '#{order[0]}'")
    for _ in range(12):
        visit.page.keyboard.press("Tab")
        inside = visit.page.evaluate(
            "document.activeElement.closest('dialog') !== null || document.activeElement === document.body"
        )
        assert inside
    visit.page.keyboard.press("Escape")
    visit.until(f"document.activeElement.id === '{order[0]}'")
    assert visit.faults == []


def test_a_permalink_opens_its_image(browser: Any, evolved: Path) -> None:
    visit = Visit(browser, evolved, "#class-7&sort=class")
    assert visit.name == "7 #7"
    visit.page.keyboard.press("Escape")
    visit.until("location.hash === '#sort=class'")
    groups = visit.page.evaluate(
        "[...document.querySelectorAll('.group')].map(one => [...one.querySelectorAll('.tile')].map(tile => tile.id))"
    )
    assert sorted(tile for group in groups for tile in group) == [f"class-{index}" for index in range(10)]
    assert all(group == sorted(group) for group in groups)
    visit.page.evaluate("location.hash = 'class-2'")
    visit.page.wait_for_selector("dialog[open]")
    assert visit.name == "2 #2"
    assert Visit(browser, evolved, "#class-999").name is None


def test_search_and_order_live_in_the_address(browser: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=["goldfish", "great white shark", "tiger shark", "hen"])
    write_report(run, tmp_path / "report.html")
    visit = Visit(browser, tmp_path / "report.html")
    visit.page.fill("input[type=search]", "SHARK")
    assert sorted(visit.shown) == ["class-1", "class-2"]
    visit.until("location.hash === '#q=SHARK'")
    visit.page.select_option("select[name=sort]", "class")
    again = Visit(browser, tmp_path / "report.html", "#" + visit.page.url.partition("#")[2])
    assert again.shown == ["class-1", "class-2"]
    again.page.fill("input[type=search]", "whale & co")
    assert again.shown == []
    assert again.page.text_content(".nothing") == "No class matches “whale & co”."
    assert again.faults == visit.faults == []


def test_what_files_hold_stays_text(browser: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=[HOSTILE, "b"], model=HOSTILE)
    for runs, fragment in (([run], "#class-0"), ([run, run], "#run-2-class-0")):
        write_report(runs, tmp_path / "report.html")
        visit = Visit(browser, tmp_path / "report.html", fragment)
        assert visit.name == f"{HOSTILE} #0" + " \u00b7 run" * (len(runs) - 1)
        assert visit.page.locator("img[onerror]").count() == 0
        assert visit.page.title() != "1"
        assert visit.faults == []


def test_a_page_with_a_folder_loads_what_is_looked_at(browser: Any, evolved: Path, tmp_path: Path) -> None:
    write_report(evolved.parent, tmp_path / "report.html", apart=True)
    visit = Visit(browser, tmp_path / "report.html")
    first, second = (anchor.removeprefix("class-") for anchor in visit.shown[:2])
    visit.page.click(f"#class-{first}")
    visit.page.wait_for_selector("dialog .picture")
    assert visit.name == f"{first} #{first}"
    visit.page.keyboard.press("ArrowRight")
    visit.page.wait_for_selector("dialog .picture")
    assert visit.name == f"{second} #{second}"
    assert visit.page.locator("dialog .bars dt").count() == 5
    for picture in ("dialog .picture", ".tile img"):
        visit.until(f"document.querySelector('{picture}').naturalWidth === 28")
    assert visit.page.locator("script[src]").count() == 2
    assert visit.faults == []
    loaded = visit.page.eval_on_selector_all("script[src]", "all => all.map(one => one.getAttribute('src'))")
    left = next(index for index in range(10) if f"report-files/class-{index}.js" not in loaded)
    (tmp_path / "report-files" / f"class-{left}.js").unlink()
    visit.page.evaluate(f"location.hash = 'class-{left}'")
    visit.page.wait_for_selector("dialog .empty")
    assert f"report-files/class-{left}.js cannot be read" in visit.page.text_content("dialog .empty")


def test_confidence_over_the_lineage_is_what_the_run_recorded(browser: Any, evolved: Path) -> None:
    _, search, _ = load_search(nf.RunFolder.open(evolved.parent))
    line = search.lineage.ancestry(int(search.archive.ids[4]))[::-1]
    visit = Visit(browser, evolved, "#class-4")
    assert len(line) > 1
    said = visit.page.eval_on_selector_all("dialog .course title", "all => all.map(one => one.textContent)")
    kept = [(birth.generation, child.parent_confidence, child.class_index) for birth, child in pairwise(line)]
    kept.append((line[-1].generation, float(search.archive.confidence[4]), 4))
    assert said == [f"generation {made}: {percent(share)} for {index}" for made, share, index in kept]
    heights = visit.page.eval_on_selector_all("dialog .course circle", "all => all.map(one => +one.getAttribute('cy'))")
    assert sorted(range(len(heights)), key=lambda place: -heights[place]) == sorted(
        range(len(kept)), key=lambda place: kept[place][1]
    )
    assert visit.faults == []


GROUPS = {"fish": {"sharks": [1, 2], HOSTILE: [0]}, "birds": "hen"}
ZOO = ["goldfish", "great white shark", "tiger shark", "hen", "coil"]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    """Three runs of five classes, of which the first fools 0, 1, 3; the second, with pixels, 1; the third 1, 4."""
    place, runs = tmp_path_factory.mktemp("zoo"), []
    (place / "groups.json").write_text(json.dumps(GROUPS))
    for number, fooled in enumerate(([0, 1, 3], [1], [1, 4])):
        run = make_run(place / f"run-{number}", class_names=ZOO, seed=number)
        arrays, metadata = run.load_checkpoint()
        sure = np.full(5, 0.6, np.float32)
        sure[fooled] = 0.995
        run.save_checkpoint({**arrays, "archive.confidence": sure}, metadata)
        if number == 1:
            config = run.path / "config.toml"
            text = config.read_text().replace('name = "cppn"', 'name = "direct"')
            config.write_text(text.replace('coordinates = "pixel"\n', ""))
        runs.append(RunFolder.open(run.path))
    return runs


HEADINGS = """() => [...document.querySelectorAll(".group")].filter(one => one.checkVisibility())
  .map(one => one.querySelector("h2, h3, h4").textContent)"""
ROWS = """() => [...document.querySelectorAll(".faces tbody.group")].filter(one => one.checkVisibility())
  .map(one => [...one.rows[0].cells].map(cell => cell.textContent))"""
PLATES = """() => [...document.querySelectorAll(".plates > section")].map(one => [
  one.querySelector("h3").textContent,
  [...one.querySelectorAll(".runs > li")].map(item => [
    item.querySelector(".name").textContent, ...[...item.querySelectorAll(".tile")].map(tile => tile.id),
  ]),
])"""


def test_classes_are_shown_in_their_groups(browser: Any, zoo: list[RunFolder], tmp_path: Path) -> None:
    write_report(zoo[0], tmp_path / "report.html", hierarchy=zoo[0].path.parent / "groups.json")
    visit = Visit(browser, tmp_path / "report.html")
    visit.page.select_option("select[name=by]", "hierarchy")
    visit.until("location.hash === '#by=hierarchy'")
    whole = [
        "fish 2 of 3 fooled",
        "sharks 1 of 2 fooled",
        f"{HOSTILE} 1 of 1 fooled",
        "birds 1 of 1 fooled",
        "other 0 of 1 fooled",
    ]
    assert visit.page.evaluate(HEADINGS) == whole
    assert visit.shown == ["class-1", "class-2", "class-0", "class-3", "class-4"]
    visit.page.fill("input[type=search]", "shark")
    assert visit.page.evaluate(HEADINGS) == whole[:2]
    again = Visit(browser, tmp_path / "report.html", "#" + visit.page.url.partition("#")[2] + "&group=fooled")
    assert again.shown == ["class-1"]
    again.page.fill("input[type=search]", "")
    again.page.select_option("select[name=by]", "")
    assert again.shown == ["class-0", "class-1", "class-3"]
    assert again.page.evaluate(HEADINGS) == ["Fooled 3"]
    assert visit.page.locator("img[onerror]").count() == 0
    assert visit.page.title() != "1"
    assert visit.faults == again.faults == []
    strange = Visit(browser, tmp_path / "report.html", "#by=nothing&layout=nothing&sort=nothing")
    assert len(strange.shown) == 5
    assert strange.faults == []


def test_several_runs_stand_in_groups_and_on_plates(browser: Any, zoo: list[RunFolder], tmp_path: Path) -> None:
    write_report(zoo, tmp_path / "report.html", hierarchy=zoo[0].path.parent / "groups.json")
    visit = Visit(browser, tmp_path / "report.html", "#by=hierarchy")
    # The columns are the runs 0 and 2, of CPPNs, and 1.
    assert visit.page.evaluate(ROWS) == [
        ["fish", "2 of 3 fooled", "1 of 3 fooled", "1 of 3 fooled"],
        ["fish \u203a sharks", "1 of 2 fooled", "1 of 2 fooled", "1 of 2 fooled"],
        [f"fish \u203a {HOSTILE}", "1 of 1 fooled", "0 of 1 fooled", "0 of 1 fooled"],
        ["birds", "1 of 1 fooled", "0 of 1 fooled", "0 of 1 fooled"],
        ["other", "0 of 1 fooled", "1 of 1 fooled", "0 of 1 fooled"],
    ]
    visit.page.select_option("select[name=by]", "")
    visit.page.select_option("select[name=group]", "every")
    assert visit.shown == ["run-1-class-1", "run-3-class-1", "run-2-class-1"]
    visit.page.select_option("select[name=group]", "")
    visit.page.select_option("select[name=layout]", "plate")
    assert visit.page.evaluate(PLATES) == [
        ["cppn · map-elites", [[name, f"run-1-class-{n}", f"run-3-class-{n}"] for n, name in enumerate(ZOO)]],
        ["direct · map-elites", [[name, f"run-2-class-{n}"] for n, name in enumerate(ZOO)]],
    ]
    tops = visit.page.eval_on_selector_all(
        ".runs .tile", "all => all.map(one => Math.round(one.getBoundingClientRect().top))"
    )
    assert len(set(tops)) == 3  # a row for each run
    visit.page.click("#run-3-class-2")
    assert visit.name == "tiger shark #2 · run-2"
    visit.page.keyboard.press("Escape")
    visit.until("location.hash === '#layout=plate'")
    visit.page.select_option("select[name=by]", "hierarchy")
    assert len(visit.shown) == 15
    visit.page.select_option("select[name=layout]", "")
    assert len(visit.shown) == 15
    assert visit.page.evaluate("document.querySelectorAll('.faces td .tile').length") == 15
    assert visit.page.locator("img[onerror]").count() == 0
    assert visit.faults == []


def test_runs_without_images_are_compared_quietly(browser: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_names=["a", "b"])
    (run.path / "checkpoint" / "state.safetensors").unlink()
    write_report([run, run], tmp_path / "report.html")
    visit = Visit(browser, tmp_path / "report.html", "#layout=plate&by=verdict")
    assert visit.page.text_content(".nothing") == "No images yet."
    assert visit.faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_window(browser: Any, evolved: Path, tmp_path: Path, width: int, scheme: str) -> None:
    write_report([evolved.parent, evolved.parent, evolved.parent], tmp_path / "three.html")
    for path, fragment in (
        (evolved, ""),
        (evolved, "#class-4"),
        (tmp_path / "three.html", ""),
        (tmp_path / "three.html", "#by=verdict&layout=plate"),
        (evolved, "#layout=plate"),
    ):
        visit = Visit(browser, path, fragment, viewport={"width": width, "height": 800}, color_scheme=scheme)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.faults == []


def test_tables_are_sorted_and_charts_have_two_scales(browser: Any, tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / name, class_names=["a", "b"], generations=n) for name, n in (("x", 9), ("y", 30), ("z", 20))
    ]
    write_report(runs, tmp_path / "report.html")
    visit = Visit(browser, tmp_path / "report.html")
    visit.page.click("th button:text-is('Generations')")
    first = "[...document.querySelectorAll('.sortable tbody tr')].map(row => row.cells[0].textContent)"
    assert visit.page.evaluate(first) == ["x", "z", "y"]
    visit.page.click("th button:text-is('Generations')")
    assert visit.page.evaluate(first) == ["y", "z", "x"]
    visible = "[...document.querySelectorAll('.scales > div')].map(one => one.hidden)"
    assert visit.page.evaluate(visible)[:2] == [False, True]
    visit.page.check(".switch input >> nth=0")
    assert visit.page.evaluate(visible)[:2] == [True, False]
    assert visit.faults == []


def test_genome_and_settings_are_files(browser: Any, evolved: Path, tmp_path: Path) -> None:
    visit = Visit(browser, evolved, "#class-5")
    with visit.page.expect_download() as download:
        visit.page.click("text=Download genome")
    download.value.save_as(tmp_path / "genome.json")
    assert (tmp_path / "genome.json").read_text() == visit.page.evaluate(
        "JSON.stringify(entries.get('class-5').genome)"
    )
    visit.page.keyboard.press("Escape")
    with visit.page.expect_download() as download:
        visit.page.click("text=Download config.toml")
    download.value.save_as(tmp_path / "config.toml")
    again = nf.evolve(config=build_config(read_config(tmp_path / "config.toml")))
    elites = nf.RunFolder.open(evolved.parent).elites()
    assert again.archive.confidence.tolist() == [elite.confidence for elite in elites]
