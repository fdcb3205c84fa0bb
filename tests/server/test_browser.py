"""The page in a real Chromium, from a server of its own process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_rerank.server.examples import EN_QUERY
from tests.server.test_stop import process

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or ""
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE = 60_000  # ms
TABLE = "[data-testid=stDataFrame] canvas"
ALERT = "[data-testid=stAlert]"
FILLED = ".st-key-query-1 input"  # an example brings its own fields
SHOTS = os.environ.get("QWEN_RERANK_TEST_SCREENSHOTS")
"""A folder; screenshots of each state are put there to be looked at."""


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
def url(tiny_model: Path, browser: Any) -> Iterator[str]:
    model = os.environ.get("QWEN_RERANK_TEST_PAGE_MODEL") or str(tiny_model)
    with process("--model", model, "--device", "cpu") as (_, url):
        yield url


@pytest.mark.parametrize(
    ("name", "width", "height", "locale", "example"),
    [("laptop", 1280, 860, "zh-CN", "zh"), ("phone", 390, 844, "en-US", "en")],
)
def test_the_example_is_reranked(
    browser: Any, url: str, name: str, width: int, height: int, locale: str, example: str
) -> None:
    size = {"width": width, "height": height}
    page = browser.new_page(viewport=size, locale=locale, device_scale_factor=2)
    outside, console = watch(page, url)
    page.goto(url)
    click(page, console, f"example_{example}")
    until(page, console, FILLED)
    at_rest(page, console)
    shoot(page, f"{name}-{example}-question")
    click(page, console, "rerank")
    until(page, console, f"{TABLE}, {ALERT}")
    assert page.locator(ALERT).all_inner_texts() == []
    until(page, console, "[data-testid=stVegaLiteChart] :is(canvas, svg)")
    assert page.locator("[data-testid=stExpander]").count() >= 7
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shoot_all(page, f"{name}-{example}-result", size)
    page.locator("[data-testid=stTab]").nth(1).click()
    page.get_by_text("curl").first.wait_for()
    shoot(page, f"{name}-{example}-api")
    assert (outside, [line for line in console if line.startswith("error")]) == ([], [])
    page.close()


def test_a_click_ahead_of_the_page_ranks_what_was_chosen(browser: Any, url: str) -> None:
    """On a slow line a visitor clicks while the fields are still empty."""
    page, line = browser.new_page(locale="en-US"), SlowLine()
    _, console = watch(page, url)
    page.route_web_socket("**/_stcore/stream", line.connect)
    page.goto(url)
    until(page, console, ".st-key-rerank button")
    at_rest(page, console)
    line.is_held = True
    click(page, console, "example_en")
    line.wait_for(page, EN_QUERY.encode())
    click(page, console, "rerank")
    line.release()
    until(page, console, f"{TABLE}, {ALERT}")
    assert page.locator(ALERT).all_inner_texts() == []
    page.close()


def test_the_page_asks_the_api_of_its_own_address(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    body = "{method: 'POST', headers: {'Content-Type': 'application/json'}, body: '%s'}"
    asked = body % '{"query": "q", "documents": ["a", "b"]}'
    reply = page.evaluate(f"fetch('/rerank', {asked}).then(reply => reply.json())")
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
        for _ in range(PATIENCE // 50):
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


def watch(page: Any, url: str) -> tuple[list[str], list[str]]:
    """What the page asks of other hosts, and what its console and its loads say."""
    outside: list[str] = []
    console: list[str] = []
    mine = (url, url.replace("http", "ws", 1), "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(mine) else outside.append(r.url))
    page.on("websocket", lambda w: None if w.url.startswith(mine) else outside.append(w.url))
    page.on("console", lambda m: console.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda error: console.append(f"error: {error}"))
    page.on("requestfailed", lambda r: console.append(f"not loaded: {r.url} {r.failure}"))
    return outside, console


def until(page: Any, console: list[str], selector: str) -> None:
    """Wait for it to be seen; a test that waits in vain says what there was instead."""
    from playwright.sync_api import TimeoutError as InVain

    try:
        page.locator(selector).first.wait_for(timeout=PATIENCE)
    except InVain:
        state = page.locator("[data-testid=stApp]").get_attribute("data-test-script-state")
        shown = page.locator("body").inner_text()
        said = "\n".join(console)
        pytest.fail(f"no {selector}; script: {state}; page:\n{shown}\nconsole:\n{said}")


def click(page: Any, console: list[str], key: str) -> None:
    until(page, console, f".st-key-{key} button")
    page.locator(f".st-key-{key} button").click()


def at_rest(page: Any, console: list[str]) -> None:
    """No run, and nothing to be loaded that could move what is about to be clicked."""
    until(page, console, "[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_load_state("networkidle")


def shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.wait_for_timeout(2000)  # for what moves to come to rest; no test waits for it
        page.screenshot(path=f"{SHOTS}/{name}.png")


def shoot_all(page: Any, name: str, size: dict[str, int]) -> None:
    """The page scrolls inside its frame: to see all of it, the frame has to grow."""
    if SHOTS:
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": height})
        shoot(page, name)
        page.set_viewport_size(size)
