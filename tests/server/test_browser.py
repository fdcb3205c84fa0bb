"""The page in a real Chromium, from a server of its own process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_rerank.server.examples import EN_QUERY
from qwen_rerank.server.page.examples import EXAMPLES
from qwen_rerank.server.page.link import LONGEST
from tests.server.browser import ALERT, CHROMIUM, FLAGS, LOOKS, ROW, SHOTS, Look, Visit
from tests.server.test_stop import process

pytestmark = pytest.mark.browser

MOST_DOCUMENTS = 60
CONTRAST = Path(__file__).with_name("contrast.js").read_text()
SINGLE = [LOOKS[0], LOOKS[-1]]
"""Looks that between them have each size, scheme and language; the others differ in nothing
that moves."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def url(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = os.environ.get("QWEN_RERANK_TEST_PAGE_MODEL", "builtin")
    feedback = str(tmp_path_factory.mktemp("page") / "feedback.db")
    options = ("--compare-model", "builtin", "--max-documents", str(MOST_DOCUMENTS))
    with process("--model", model, "--device", "cpu", "--feedback", feedback, *options) as (_, url):
        yield url


def opened(browser: Any, url: str, look: Look) -> Visit:
    page = browser.new_page(
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.scheme,
        locale=look.locale,
        device_scale_factor=2 if SHOTS else 1,
    )
    return Visit(page, url, look)


@pytest.fixture(scope="module", params=LOOKS, ids=str)
def result(request: pytest.FixtureRequest, browser: Any, url: str) -> Iterator[Visit]:
    """An example in the visitor's language, reranked by Enter in the query."""
    visit = opened(browser, url, request.param)
    visit.open()
    visit.shoot("start")
    visit.example(0 if visit.look.locale == "zh-CN" else 1)
    visit.query.press("Enter")
    visit.until(f"{ROW}, {ALERT}")
    visit.at_rest()
    visit.shoot("result")
    yield visit
    visit.shoot_all("all")
    visit.page.close()


@pytest.fixture(params=SINGLE, ids=str)
def visit(request: pytest.FixtureRequest, browser: Any, url: str) -> Iterator[Visit]:
    made = opened(browser, url, request.param)
    yield made
    made.page.close()


def test_the_result_comes_into_view(result: Visit) -> None:
    rows = result.page.locator(ROW)
    seen = [box["y"] + box["height"] for box in (rows.nth(i).bounding_box() for i in range(3))]
    assert seen[0] > 0
    assert seen[2 if not result.look.is_phone else 1] <= result.look.height


def test_a_result_names_its_query_and_the_model(result: Visit) -> None:
    is_chinese = result.look.locale == "zh-CN"
    assert EXAMPLES[0 if is_chinese else 1].query in result.heading
    notice = result.page.locator(f".st-key-outcome {ALERT}")
    assert ("内置小模型" if is_chinese else "built-in model") in notice.inner_text()
    assert notice.bounding_box()["y"] < result.look.height, "where the result is read"


def test_the_page_follows_language_and_scheme(result: Visit) -> None:
    language = result.page.evaluate("document.documentElement.lang")
    assert language == ("zh-CN" if result.look.locale == "zh-CN" else "en")
    background = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    red = int(result.page.evaluate(background).partition("(")[2].partition(",")[0])
    assert (red < 80) == (result.look.scheme == "dark")


def test_all_texts_have_the_contrast_of_wcag_aa(result: Visit) -> None:
    assert result.page.evaluate(CONTRAST) == []


def test_a_row_shows_its_text_and_unfolds_to_all_of_it(result: Visit) -> None:
    row = result.page.locator(ROW).first
    start = row.locator("summary code").last
    assert (
        start.bounding_box()["width"]
        > (0.6 if result.look.is_phone else 0.3) * (row.bounding_box()["width"])
    )
    row.locator("summary").click()
    text = row.get_by_test_id("stText")
    text.wait_for()
    assert text.inner_text().startswith(start.inner_text().rstrip("…")[:40])
    row.locator("summary").click()


def test_nothing_is_wider_than_the_screen(result: Visit) -> None:
    assert result.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    main = "document.querySelector('[data-testid=stMain]')"
    assert result.page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")


def test_the_picture_has_a_text(result: Visit) -> None:
    result.until("[data-testid=stVegaLiteChart] :is(canvas, svg)")
    assert result.page.locator("[aria-label*='→']").count() >= 1


def test_the_page_is_quiet_and_asks_nobody_else(result: Visit) -> None:
    assert result.outside == []
    assert [line for line in result.console if line.startswith("error")] == []


def test_changed_inputs_mark_the_result_and_ctrl_enter_renews_it(visit: Visit) -> None:
    visit.open("?query=refund&documents=a+refund%0Aa+parcel")
    visit.documents.press("Control+Enter")
    visit.result_for("refund")
    visit.query.fill("parcel")
    visit.query.blur()
    mark = visit.until(f"{ALERT}:has-text('have changed'), {ALERT}:has-text('已更改')")
    visit.shoot("out-of-date")
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
    visit.documents.fill("x" * LONGEST)
    visit.documents.blur()
    visit.page.wait_for_url(lambda url: "documents=" not in url)
    assert len(visit.page.url) < LONGEST
    visit.page.go_back()
    assert visit.page.url == "about:blank", "edits leave no trail in the browser's history"


@pytest.mark.parametrize("count", [2, 50])
def test_the_picture_stands_with_few_and_with_many(visit: Visit, count: int) -> None:
    documents = "%0A".join(f"document+{number}" for number in range(count))
    visit.open(f"?query=document+7&documents={documents}")
    visit.query.press("Enter")
    picture = visit.until("[data-testid=stVegaLiteChart] :is(canvas, svg)")
    visit.at_rest()
    box = picture.bounding_box()
    assert 17 * count <= box["height"] <= 34 * count + 120
    assert box["width"] <= visit.look.width
    visit.shoot_all(f"picture-{count}")


def test_two_instructions_stand_side_by_side(visit: Visit) -> None:
    visit.open(
        "?query=refund&documents=a+refund%0Aa+parcel&comparison=instruction"
        "&other_instruction=Find+parcels"
    )
    visit.query.press("Enter")
    visit.result_for("refund")
    lists = visit.page.locator("[class*=st-key-list-]")
    first, second = lists.nth(0).bounding_box(), lists.nth(1).bounding_box()
    beside = second["x"] >= first["x"] + first["width"]
    assert beside != visit.look.is_phone, "below each other on a phone"
    assert "Find parcels" in visit.page.locator(".st-key-outcome").inner_text()
    visit.shoot_all("two-instructions")


def test_two_models_stand_side_by_side(visit: Visit) -> None:
    visit.open("?query=refund&documents=a+refund%0Aa+parcel")
    visit.panel()
    visit.page.locator(".st-key-comparison input").click()
    visit.page.get_by_role("option").nth(2).click()
    visit.at_rest()
    visit.shoot("panel")
    assert visit.page.evaluate(CONTRAST) == []
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
    visit.at_rest()
    assert "threshold=100" in visit.page.url


def test_a_click_on_a_row_is_feedback(visit: Visit) -> None:
    visit.open("?query=refund&documents=a+refund%0Aa+parcel")
    visit.query.press("Enter")
    visit.result_for("refund")
    visit.page.locator("[class*=st-key-relevant-] label").first.click()
    visit.until("[data-testid=stToast]")
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
    assert visit.page.evaluate(CONTRAST) == []


def test_the_other_tabs_are_readable(visit: Visit) -> None:
    visit.open("?query=q&documents=d")
    for number, name in ((1, "api"), (2, "statistics")):
        visit.page.locator("[data-testid=stTab]").nth(number).click()
        visit.at_rest()
        visit.shoot_all(name)
        assert visit.page.evaluate(CONTRAST) == []


def test_without_the_key_there_is_nothing_to_upload_to(browser: Any) -> None:
    with process("--model", "builtin", "--device", "cpu", "--api-key", "horse") as (_, url):
        visit = opened(browser, url, SINGLE[1])
        visit.open()
        visit.shoot("key")
        assert visit.page.locator("input[type=file]").count() == 0
        field = visit.page.locator(".st-key-key input")
        field.fill("horse")
        field.press("Enter")
        visit.until(".st-key-rerank button")
        assert visit.page.locator("input[type=file]").count() == 1
        assert "horse" not in visit.page.url
        visit.page.close()


def test_a_click_ahead_of_the_page_ranks_what_was_chosen(browser: Any, url: str) -> None:
    """On a slow line a visitor clicks while the fields are still empty."""
    visit, line = opened(browser, url, LOOKS[0]), SlowLine()
    visit.page.route_web_socket("**/_stcore/stream", line.connect)
    visit.open()
    line.is_held = True
    visit.page.locator(".st-key-example button").nth(1).click()
    line.wait_for(visit.page, EN_QUERY.encode())
    visit.page.locator(".st-key-rerank button").click()
    line.release()
    visit.result_for(EN_QUERY)
    visit.page.close()


def test_the_page_asks_the_api_of_its_own_address(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    body = "{method: 'POST', headers: {'Content-Type': 'application/json'}, body: '%s'}"
    request = body % '{"query": "q", "documents": ["a", "b"]}'
    reply = page.evaluate(f"fetch('/rerank', {request}).then(reply => reply.json())")
    assert len(reply["reranked_documents"]) == 2
    page.close()


class SlowLine:
    """Holds back what the server sends to the page."""

    def __init__(self) -> None:
        self.is_held = False
        self._held: list[Any] = []

    def connect(self, socket: Any) -> None:
        """Stand between the page's socket and the server's."""
        self._socket = socket
        socket.connect_to_server().on_message(self._pass)

    def wait_for(self, page: Any, text: bytes) -> None:
        """Until the server has sent this."""
        for _ in range(1200):
            if any(text in message for message in self._held):
                return
            page.wait_for_timeout(50)
        pytest.fail("the server did not send it")

    def release(self) -> None:
        """Let everything through, in its order."""
        self.is_held = False
        for message in self._held:
            self._socket.send(message)

    def _pass(self, message: Any) -> None:
        self._held.append(message) if self.is_held else self._socket.send(message)
