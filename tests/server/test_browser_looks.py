"""What depends on the screen, the colours and the language, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_rerank.server.page.examples import EXAMPLES
from tests.server.browser import ALERT, LOOKS, ROW, Visit, opened

pytestmark = pytest.mark.browser

CONTRAST = Path(__file__).with_name("contrast.js").read_text()
TABS = "[data-testid=stTab]"
DISTANCES = """() => {
  const middles = (selector) => [...document.querySelectorAll(selector)].map((element) => {
    const box = element.getBoundingClientRect()
    return box.top + box.height / 2
  })
  const boxes = middles("[class*=st-key-relevant-] label")
  return middles("[class*=st-key-row-] summary code:first-of-type").map((y, row) => y - boxes[row])
}"""
"""Pixels between each row's score and its box, read at once, for the page may still move."""


@pytest.fixture(scope="module", params=LOOKS, ids=str)
def result(request: pytest.FixtureRequest, browser: Any, page_url: str) -> Iterator[Visit]:
    """An example in the visitor's language, reranked by Enter in the query."""
    visit = opened(browser, page_url, request.param)
    visit.open()
    visit.shoot("start")
    visit.example(0 if visit.look.is_chinese else 1)
    visit.query.press("Enter")
    visit.until(f"{ROW}, {ALERT}")
    visit.at_rest()
    visit.shoot("result")
    yield visit
    visit.page.close()


def test_the_result_comes_into_view(result: Visit) -> None:
    rows = result.page.locator(ROW)
    seen = [box["y"] + box["height"] for box in (rows.nth(i).bounding_box() for i in range(3))]
    assert seen[0] > 0
    assert seen[2 if not result.look.is_phone else 1] <= result.look.height


def test_a_result_names_its_query_and_the_model(result: Visit) -> None:
    is_chinese = result.look.is_chinese
    assert EXAMPLES[0 if is_chinese else 1].query in result.heading
    notice = result.page.locator(f".st-key-outcome {ALERT}")
    assert ("内置小模型" if is_chinese else "built-in model") in notice.inner_text()
    assert notice.bounding_box()["y"] < result.look.height, "where the result is read"


def test_the_page_follows_language_and_scheme(result: Visit) -> None:
    language = result.page.evaluate("document.documentElement.lang")
    assert language == ("zh-CN" if result.look.is_chinese else "en")
    background = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    red = int(result.page.evaluate(background).partition("(")[2].partition(",")[0])
    assert (red < 80) == (result.look.scheme == "dark")


def test_the_texts_have_the_contrast_of_wcag_aa(result: Visit) -> None:
    assert result.page.evaluate(CONTRAST) == []


def test_a_row_shows_the_start_of_its_text(result: Visit) -> None:
    row = result.page.locator(ROW).first
    start = row.locator("summary code").last.bounding_box()["width"]
    assert start > (0.6 if result.look.is_phone else 0.3) * row.bounding_box()["width"]


def test_a_row_and_its_box_stand_at_the_first_line_of_the_text(result: Visit) -> None:
    result.until("[class*=st-key-relevant-] label")
    distances = result.page.evaluate(DISTANCES)
    assert len(distances) == result.page.locator(ROW).count()
    assert max(map(abs, distances)) <= 3


def test_nothing_is_wider_than_the_screen(result: Visit) -> None:
    assert result.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    main = "document.querySelector('[data-testid=stMain]')"
    assert result.page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")
    picture = result.until("[data-testid=stVegaLiteChart] :is(canvas, svg)")
    assert picture.bounding_box()["width"] <= result.look.width
    result.shoot_all("all")


def test_the_mark_of_an_old_result_is_readable(result: Visit) -> None:
    result.query.fill("parcel")
    result.query.blur()
    result.until(f"{ALERT}:has-text('have changed'), {ALERT}:has-text('已更改')")
    result.at_rest()
    result.shoot("out-of-date")
    assert result.page.evaluate(CONTRAST) == []


def test_the_panel_and_the_other_tabs_are_readable(result: Visit) -> None:
    result.panel()
    result.shoot("panel")
    assert result.page.evaluate(CONTRAST) == []
    result.close_panel()
    for number, name in ((1, "api"), (2, "statistics")):
        result.page.locator(TABS).nth(number).click()
        result.until(f"{TABS}[aria-selected=true] >> nth=0")
        result.at_rest()
        result.shoot_all(name)
        assert result.page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[1]], ids=str)
def test_two_lists_stand_side_by_side_or_below_each_other(
    browser: Any, page_url: str, look: Any
) -> None:
    visit = opened(browser, page_url, look)
    visit.open(
        "?query=refund&documents=a+refund%0Aa+parcel&comparison=instruction"
        "&other_instruction=Find+parcels"
    )
    visit.query.press("Enter")
    visit.result_for("refund")
    lists = visit.page.locator("[class*=st-key-list-]")
    first, second = lists.nth(0).bounding_box(), lists.nth(1).bounding_box()
    beside = second["x"] >= first["x"] + first["width"]
    assert beside != look.is_phone, "below each other on a phone"
    assert "Find parcels" in visit.page.locator(".st-key-outcome").inner_text()
    assert visit.page.evaluate(CONTRAST) == []
    visit.shoot_all("two-instructions")
    visit.page.close()
