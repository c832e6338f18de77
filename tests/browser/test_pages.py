"""Every page in a real browser, on a phone and a desktop, light and dark."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PAGES = (
    "evolve", "ascend", "transfer", "transfer of many images", "retrain", "repeat", "nothing repeated", "diversity",
    "hypothesis", "reproduce", "audit", "audits compared", "before and after", "report of several runs",
)  # fmt: skip
VIEWS = [(width, scheme) for width in (390, 1400) for scheme in ("light", "dark")]

HIDDEN_COLUMNS = """() => [...document.querySelectorAll("table")].filter(table => {
  if (!table.checkVisibility() || table.getBoundingClientRect().right <= innerWidth) return false;
  const region = table.closest(".scroll");
  return !region || region.tabIndex !== 0 || !["auto", "scroll"].includes(getComputedStyle(region).overflowX);
}).map(table => table.textContent.trim().slice(0, 80))"""

# Images of a report are one stop together, with arrow keys between them.
UNFOCUSABLE = """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
  .filter(one => one.checkVisibility() && !one.disabled && one.tabIndex < 0 && !one.matches(".tile"))
  .map(one => one.outerHTML.slice(0, 80))"""

FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  if (one === document.body) return null;
  return {what: one.outerHTML.slice(0, 80), seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1};
}"""

OWN = ("file", "data", "blob")


@contextmanager
def opened(browser: Any, path: Path, width: int, scheme: str) -> Iterator[tuple[Any, list[str]]]:
    """The page, and what it complained of and asked the network for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url) if asked.url.partition(":")[0] not in OWN else None)
    page.goto(path.as_uri())
    yield page, said
    context.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_a_page_is_whole_and_quiet(browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    with opened(browser, pages[name], width, scheme) as (page, said):
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
        assert page.evaluate(HIDDEN_COLUMNS) == []
        assert page.evaluate(UNFOCUSABLE) == []
        assert said == []  # axe puts its own script into the page
        found = axe.run(page).response["violations"]
        grave = [
            (one["id"], [node["html"][:120] for node in one["nodes"][:3]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert grave == []


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_all_and_shows_where_it_is(browser: Any, pages: dict[str, Path], name: str) -> None:
    with opened(browser, pages[name], 390, "light") as (page, _):
        seen = set()
        for _ in range(30):
            page.keyboard.press("Tab")
            now = page.evaluate(FOCUS)
            if now is None:
                break
            assert now["seen"], now["what"]
            seen.add(now["what"])
        reachable = page.evaluate(
            "document.querySelectorAll(\"a[href], button, input, select, summary, [tabindex='0']\").length"
        )
        assert bool(seen) == bool(reachable)


@pytest.mark.parametrize(
    ("name", "rows"),
    [("transfer of many images", ".grid >> nth=0 >> li"), ("report of several runs", ".faces tbody tr")],
)
def test_long_pages_are_filtered(browser: Any, pages: dict[str, Path], name: str, rows: str) -> None:
    with opened(browser, pages[name], 1400, "light") as (page, _):
        page.locator("input[type=search]").first.fill("class 17")
        names = page.locator(f"{rows}:visible").locator(".name").all_inner_texts()
        assert len(names) == 11
        assert all(text.startswith("class 17") for text in names)
