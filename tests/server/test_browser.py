"""What visitors do on the page, in a real Chromium, with a server of its own process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from qwen_rerank.server.examples import EN_QUERY
from qwen_rerank.server.page.link import LONGEST_LINK
from tests.server.browser import ALERT, LOOKS, MOST_DOCUMENTS, ROW, Visit, opened, options
from tests.server.slow_line import SlowLine
from tests.server.test_stop import process

pytestmark = pytest.mark.browser

PICTURE = "[data-testid=stVegaLiteChart] :is(canvas, svg)"


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """It keeps Streamlit's scripts between visits: loading them takes a third of a visit's time."""
    with browser.new_context(**options(LOOKS[0])) as made:
        yield made


@pytest.fixture
def visit(context: Any, page_url: str) -> Iterator[Visit]:
    made = Visit(context.new_page(), page_url, LOOKS[0])
    yield made
    made.page.close()


def test_a_row_unfolds_to_all_of_its_text(visit: Visit) -> None:
    long = "a refund " * 30
    visit.open(f"?query=refund&documents={long.replace(' ', '+')}")
    visit.query.press("Enter")
    visit.result_for("refund")
    row = visit.page.locator(ROW).first
    assert long.strip() not in row.inner_text()
    row.locator("summary").click()
    row.get_by_text(long.strip()).wait_for()


def test_the_page_is_quiet_and_asks_nobody_else(visit: Visit) -> None:
    visit.open()
    visit.example(1)
    visit.query.press("Enter")
    visit.until(PICTURE)
    visit.at_rest()
    assert visit.outside == []
    assert [line for line in visit.console if line.startswith("error")] == []


def test_changed_inputs_mark_the_result_and_ctrl_enter_renews_it(visit: Visit) -> None:
    visit.open("?query=refund&documents=a+refund%0Aa+parcel")
    visit.documents.press("Control+Enter")
    visit.result_for("refund")
    visit.query.fill("parcel")
    visit.query.blur()
    mark = visit.until(f"{ALERT}:has-text('have changed')")
    assert "refund" in visit.heading
    visit.documents.fill("a refund\na parcel\none more")
    visit.documents.press("Control+Enter")
    visit.result_for("parcel")
    assert visit.page.locator(ROW).count() == 3
    mark.wait_for(state="detached")


def test_inputs_survive_a_reload_and_earlier_results_come_back(visit: Visit) -> None:
    visit.open()
    visit.query.fill("first")
    visit.documents.fill("一\nfirst")
    visit.page.locator(".st-key-rerank button").click()
    visit.result_for("first")
    visit.query.fill("second")
    visit.query.press("Enter")
    visit.result_for("second")
    visit.page.locator("[class*=st-key-history-] input").click()
    visit.shoot("history")
    visit.page.get_by_role("option").nth(1).click()
    visit.result_for("first")
    assert visit.query.input_value() == "first"
    visit.page.reload()
    visit.until("[class*=st-key-query-] input")
    visit.at_rest()
    assert visit.query.input_value() == "first"
    assert visit.documents.input_value() == "一\nfirst"
    visit.documents.fill("x" * LONGEST_LINK)
    visit.documents.blur()
    visit.page.wait_for_url(lambda url: "documents=" not in url)
    assert len(visit.page.url) < LONGEST_LINK
    visit.page.go_back()
    assert visit.page.url == "about:blank", "edits leave no trail in the browser's history"


@pytest.mark.parametrize("count", [2, 50])
def test_the_picture_stands_with_few_and_with_many(visit: Visit, count: int) -> None:
    documents = "%0A".join(f"document+{number}" for number in range(count))
    visit.open(f"?query=document+7&documents={documents}")
    visit.query.press("Enter")
    picture = visit.until(PICTURE)
    visit.at_rest()
    box = picture.bounding_box()
    assert 17 * count <= box["height"] <= 34 * count + 120
    text = visit.page.locator("[aria-label*='→']").first.get_attribute("aria-label")
    assert text.count("→") == count + 1, "each document's places, and what the arrow means"
    visit.shoot_all(f"picture-{count}")


def test_two_models_stand_side_by_side(visit: Visit) -> None:
    visit.open("?query=refund&documents=a+refund%0Aa+parcel")
    visit.panel()
    visit.page.locator(".st-key-comparison input").click()
    visit.page.get_by_role("option").nth(2).click()
    visit.at_rest()
    visit.close_panel()
    visit.query.press("Enter")
    visit.result_for("refund")
    assert visit.page.locator("[class*=st-key-list-]").count() == 2


def test_the_threshold_hides_rows(visit: Visit) -> None:
    visit.open("?query=refund&documents=a+refund%0Aa+parcel&threshold=1")
    visit.query.press("Enter")
    visit.result_for("refund")
    slider = visit.page.locator(".st-key-threshold [role=slider], .st-key-threshold input").first
    slider.press("End")
    visit.page.locator(ROW).first.wait_for(state="detached")
    visit.page.wait_for_url("**threshold=100**")


def test_a_click_on_a_row_is_feedback(visit: Visit) -> None:
    visit.open("?query=refund&documents=a+refund%0Aa+parcel")
    visit.query.press("Enter")
    visit.result_for("refund")
    visit.page.locator("[class*=st-key-relevant-] label").first.click()
    visit.until("[data-testid=stToast]")
    visit.until(".st-key-feedback label:has(input:disabled)")  # "none is relevant" is ruled out
    visit.shoot("feedback")


def test_a_file_takes_the_place_of_the_text(visit: Visit) -> None:
    visit.open("?query=delivery")
    visit.page.locator("[data-testid=stExpander] summary").first.click()
    text = b"# Guide\n\n## Refunds\n\nfive days\n\n## Delivery\n\nthree days\n"
    file = {"name": "guide.md", "mimeType": "text/markdown", "buffer": text}
    visit.page.locator("input[type=file]").set_input_files(file)
    visit.until(f"{ALERT}")
    visit.shoot("file")
    visit.query.press("Enter")
    visit.result_for("delivery")
    assert "Guide > Delivery" in visit.page.locator(ROW).nth(0).inner_text() + (
        visit.page.locator(ROW).nth(1).inner_text()
    )


def test_messages_of_the_api_reach_the_page(visit: Visit) -> None:
    documents = "%0A".join("d" for _ in range(MOST_DOCUMENTS + 1))
    visit.open(f"?query=q&documents={documents}")
    visit.query.press("Enter")
    said = visit.until(f".st-key-outcome {ALERT}").inner_text()
    assert f"{MOST_DOCUMENTS + 1} documents, and {MOST_DOCUMENTS} is the most" in said
    visit.shoot("error")


def test_without_the_key_there_is_nothing_to_upload_to(browser: Any) -> None:
    with process("--model", "builtin", "--device", "cpu", "--api-key", "horse") as (_, url):
        visit = opened(browser, url, LOOKS[0])
        visit.open()
        visit.shoot("key")
        assert visit.page.locator("input[type=file]").count() == 0
        field = visit.page.locator(".st-key-key input")
        field.fill("horse")
        field.press("Enter")
        visit.until(".st-key-rerank button")
        visit.page.locator("input[type=file]").wait_for(state="attached")
        assert "horse" not in visit.page.url
        visit.page.close()


def test_a_click_ahead_of_the_page_ranks_what_was_chosen(browser: Any, page_url: str) -> None:
    """On a slow line a visitor clicks while the fields are still empty."""
    visit, line = opened(browser, page_url, LOOKS[0]), SlowLine()
    visit.page.route_web_socket("**/_stcore/stream", line.connect)
    visit.open()
    line.is_held = True
    visit.page.locator(".st-key-example button").nth(1).click()
    line.wait_for(visit.page, EN_QUERY.encode())
    visit.page.locator(".st-key-rerank button").click()
    line.release()
    visit.result_for(EN_QUERY)
    visit.page.close()


def test_the_page_asks_the_api_of_its_own_address(browser: Any, page_url: str) -> None:
    page = browser.new_page()
    page.goto(page_url)
    body = "{method: 'POST', headers: {'Content-Type': 'application/json'}, body: '%s'}"
    request = body % '{"query": "q", "documents": ["a", "b"]}'
    reply = page.evaluate(f"fetch('/rerank', {request}).then(reply => reply.json())")
    assert len(reply["reranked_documents"]) == 2
    page.close()
