"""Figures as a browser and a picture viewer get them."""

import base64
import io
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neatfool.errors import RunError
from neatfool.figures.charts import (
    MOST_POINTS,
    Cell,
    HeatRow,
    Line,
    count_ticks,
    draw_histogram,
    heat_map,
    line_chart,
    thinned,
)
from neatfool.figures.output import inline_svg, write_figure
from neatfool.figures.page import write_html
from neatfool.figures.sheet import Sheet, fitting, text_width
from neatfool.figures.style import PALETTE, SERIES, styled

HOSTILE = [
    "</svg><script>alert(1)</script>",
    "$x$",
    r"\frac",
    "$\\frac{",
    "_hidden",
    "a & b",
    "日本語",
    "",
    "tab\t\0\n",
]


def drawn(*lines: Line, **options) -> ET.Element:
    options.setdefault("x_ticks", count_ticks(200))
    return ET.fromstring(inline_svg(line_chart(lines, **options), "a chart"))


def texts(svg: ET.Element) -> list[str]:
    return [element.text or "" for element in svg.iter("text")]


def strokes(svg: ET.Element, colour: str) -> list[list[tuple[float, float]]]:
    """The points of every line of a colour."""
    found = [
        element.get("d", "") for element in svg.iter("path") if f"stroke: var(--{colour})" in element.get("style", "")
    ]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path)] for path in found]


def test_every_series_is_a_line_through_its_points():
    svg = drawn(Line("a", [0, 50, 200], [0, 0.25, 1]), Line("b", [0, 200], [1, 0.5]))
    (stroke, line), (_, other) = strokes(svg, SERIES[0]), strokes(svg, SERIES[1])
    assert len(stroke) == 2  # of the legend
    assert (len(line), len(other)) == (3, 2)
    (left, bottom), (x, y), (right, top) = line
    assert (x - left) / (right - left) == pytest.approx(0.25)
    assert (bottom - y) / (bottom - top) == pytest.approx(0.25)
    assert other == [(left, top), (right, pytest.approx((bottom + top) / 2))]
    assert {"a", "b", "0", "50", "200", "0 %", "100 %"} <= set(texts(svg))
    assert svg.get("aria-label") == "a chart"
    assert svg.get("role") == "img"


def test_lines_stay_inside_their_axes():
    for ticks in ([], [(10, "ten")]):
        line = strokes(drawn(Line("a", [5, 30], [0, 1]), x_ticks=ticks), SERIES[0])[1]
        assert all(0 <= x <= 880 and 0 <= y <= 290 for x, y in line)
    assert drawn(Line("nothing", [], []), x_ticks=[]).tag == "svg"


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_drawn_as_it_is(name, tmp_path):
    chart = line_chart([Line(name, [0, 1], [0, 1])], x_ticks=[(0, "0")])
    table = heat_map([name], [HeatRow(name, [Cell(0.5, name, name)], detail=name)], note=name)
    for figure in (chart, table):
        svg = inline_svg(figure, name)
        assert "<script" not in svg
        shown = texts(ET.fromstring(svg))
        meant = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
        assert not meant or meant in shown
        write_figure(figure, tmp_path / "a.png", title=name, subtitle=name)


@given(st.text(), st.floats(1, 400))
def test_text_is_cut_to_its_room(name, room):
    sheet = Sheet(500, 20)
    sheet.text(0, 10, name, room=room)
    (text,) = texts(ET.fromstring(inline_svg(sheet.figure, "text"))) or [""]
    assert text_width(text, 12) <= room or text == "…"


def test_as_much_of_a_text_is_kept_as_there_is_room_for():
    text = "The quick brown fox, jumping over"
    for room in (1, 40, 100, 150):
        ends = [end for end in range(len(text)) if text_width(text[:end] + "…", 12) <= room]
        assert fitting(text, 12, room)[1] == text[: max(ends, default=0)].rstrip(" ,") + "…"


def test_letters_that_the_font_lacks_have_boxes_in_pictures_and_stay_on_pages(tmp_path):
    def picture(name: str) -> bytes:
        sheet = Sheet(100, 20)
        sheet.text(0, 10, name)
        write_figure(sheet.figure, tmp_path / "a.png", title="")
        return (tmp_path / "a.png").read_bytes()

    assert picture("日本") == picture("□□")
    assert picture("日本") != picture("  ")
    assert picture("é ж") != picture("□ □")


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    def both(name: str) -> tuple[bytes, str]:
        rows = [HeatRow("r", [Cell(0.3, "x", outlined=True)], picture=Image.new("L", (8, 8), 90))]
        figure = heat_map(["c"], rows)
        write_figure(figure, tmp_path / name, title="t")
        return (tmp_path / name).read_bytes(), inline_svg(figure, "f")

    first = both("a.png")
    assert first == both("b.png")
    for trace in (b"matplotlib", b"Software", b"Date"):
        assert trace not in first[0]


def test_writing_leaves_a_figure_as_it_was(tmp_path):
    figure = line_chart([Line("a", [0, 1], [0, 1])], x_ticks=[])
    before = inline_svg(figure, "f")
    write_figure(figure, tmp_path / "a.png", title="title", subtitle="subtitle")
    assert inline_svg(figure, "f") == before


def test_pictures_have_a_margin_a_title_and_two_pixels_for_one(tmp_path):
    figure = Sheet(100, 50).figure
    write_figure(figure, tmp_path / "a.png", title="A title")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    assert pixels.shape[1] == 2 * (100 + 2 * 28)
    assert pixels[:50].min() == pixels[-100:].min() == pixels.max()
    assert pixels.min() < 100


def test_every_colour_of_a_figure_follows_the_reader(tmp_path):
    rows = [HeatRow("r", [Cell(0.3, "x", outlined=True, faint=True)], detail="d")]
    figures = [
        heat_map(["c"], rows, note="n"),
        line_chart([Line("a", [0, 1], [0, 1], filled=True)], x_ticks=[], dots=True),
    ]
    for figure in figures:
        assert not re.search(r"#[0-9a-f]{3,6}|rgb\(|black|white", inline_svg(figure, "f"))
    template = tmp_path / "t.html.j2"
    template.write_text('{% extends "figures/page.html.j2" %}')
    write_html(template, tmp_path / "t.html")
    page = (tmp_path / "t.html").read_text()
    light, dark = page.split("prefers-color-scheme: dark", 1)
    for name, (on_light, on_dark) in PALETTE.items():
        assert f"--{name}: {on_light};" in light
        assert f"--{name}: {on_dark};" in dark
    assert len({on_light for on_light, _ in PALETTE.values()}) == len(PALETTE)


def test_figures_on_one_page_do_not_meet():
    """No ids, styles or links, which hold for the whole page."""
    rows = [HeatRow("r", [Cell(1, "x")], picture=Image.new("RGB", (90, 60)))]
    for figure in (heat_map(["c"], rows), line_chart([Line("a", [0, 1], [0, 1])], x_ticks=[], dots=True)):
        svg = ET.fromstring(inline_svg(figure, "f"))
        assert {element.tag for element in svg.iter()} <= {"svg", "path", "text", "image"}
        assert not [element for element in svg.iter() if "id" in element.attrib]
        assert not re.search(r"https?:|url\(|font-family", inline_svg(figure, "f"))


def test_small_pictures_are_shown_pixel_for_pixel_and_large_ones_reduced():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    sheet = Sheet(100, 100)
    sheet.picture(Image.fromarray(pixels), 10, 20, 64)
    sheet.picture(Image.new("RGB", (300, 150), (200, 10, 10)), 0, 0, 50)
    small, large = ET.fromstring(inline_svg(sheet.figure, "f")).iter("image")
    assert "pixelated" in small.get("style", "")
    with Image.open(io.BytesIO(base64.b64decode(small.get("href", "").split(",")[1]))) as shown:
        np.testing.assert_array_equal(np.asarray(shown.convert("L")), pixels)
    assert small.get("transform") == "matrix(8 0 0 8 10 20)"
    assert (large.get("width"), large.get("height")) == ("100", "50")


def test_a_histogram_shows_even_the_rarest_bin():
    sheet = Sheet(100, 100)
    draw_histogram(sheet.plot(0, 0, 100, 100), [0, 1, 2, 3], [1000, 0, 1], "c4")
    (bars,) = [
        e for e in ET.fromstring(inline_svg(sheet.figure, "f")).iter("path") if "var(--c4)" in e.get("style", "")
    ]
    tops = {float(y) for x, y in re.findall(r"[ML] (\S+) (\S+)", bars.get("d", ""))}
    assert tops == {0, 97, 100}


def test_ticks_are_round_and_few():
    assert count_ticks(200) == [(0, "0"), (50, "50"), (100, "100"), (150, "150"), (200, "200")]
    assert [label for _, label in count_ticks(20_200)] == ["0", "5k", "10k", "15k", "20k"]
    assert count_ticks(4_000_000)[-1] == (4_000_000, "4M")
    assert count_ticks(1) == [(0, "0"), (1, "1")]


def test_thinning_keeps_both_ends():
    assert list(thinned(3)) == [0, 1, 2]
    chosen = list(thinned(10_000))
    assert (len(chosen), chosen[0], chosen[-1]) == (MOST_POINTS, 0, 9_999)


def test_the_users_settings_neither_matter_nor_change(tmp_path):
    def svg() -> str:
        return inline_svg(line_chart([Line("$a$", [0, 1], [0, 1])], x_ticks=[(0, "0")]), "f")

    plain = svg()
    with matplotlib.rc_context({"text.color": "red", "font.size": 40, "axes.facecolor": "black", "lines.linewidth": 9}):
        mine = dict(matplotlib.rcParams)
        assert svg() == plain
        assert dict(matplotlib.rcParams) == mine


def test_threads_draw_what_one_would():
    def svg(number: int) -> str:
        return inline_svg(line_chart([Line(f"run {number}", [0, 1], [0, number / 9])], x_ticks=[]), "f")

    wanted, found = [svg(number) for number in range(8)], [""] * 8

    def draw(number: int) -> None:
        found[number] = svg(number)

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(8)]
    before = dict(matplotlib.rcParams)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted
    assert dict(matplotlib.rcParams) == before


def test_styles_nest():
    with styled(), styled():
        assert matplotlib.rcParams["svg.fonttype"] == "none"


def test_a_figure_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        write_figure(Sheet(10, 10).figure, tmp_path / "absent" / "a.png", title="t")


def test_importing_neatfool_does_not_import_matplotlib():
    code = "import sys, neatfool, neatfool.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pages_allow_scripts_only_where_there_are_any(tmp_path: Path):
    template = tmp_path / "t.html.j2"
    for script, allowed in (("", False), ("{% block script %}<script>1</script>{% endblock %}", True)):
        template.write_text('{% extends "figures/page.html.j2" %}' + script)
        write_html(template, tmp_path / "t.html")
        assert ("script-src 'unsafe-inline'" in (tmp_path / "t.html").read_text()) == allowed
