"""The page in a real Chromium, from a server of its own process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.test_stop import process

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or ""
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE = 60_000  # ms
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
    page.set_default_timeout(PATIENCE)
    outside, errors = watch(page, url)
    page.goto(url)
    click(page, f"example_{example}")
    page.wait_for_function("document.querySelector('.st-key-query input').value !== ''")
    at_rest(page)
    shoot(page, f"{name}-{example}-question")
    click(page, "rerank")
    page.locator("[data-testid=stDataFrame] canvas, [data-testid=stAlert]").first.wait_for()
    assert page.locator("[data-testid=stAlert]").all_inner_texts() == []
    page.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").first.wait_for()
    assert page.locator("[data-testid=stExpander]").count() >= 7
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shoot_all(page, f"{name}-{example}-result", size)
    page.locator("[data-testid=stTab]").nth(1).click()
    page.get_by_text("curl").first.wait_for()
    shoot(page, f"{name}-{example}-api")
    assert (outside, errors) == ([], [])
    page.close()


def test_the_page_asks_the_api_of_its_own_address(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    body = "{method: 'POST', headers: {'Content-Type': 'application/json'}, body: '%s'}"
    asked = body % '{"query": "q", "documents": ["a", "b"]}'
    reply = page.evaluate(f"fetch('/rerank', {asked}).then(reply => reply.json())")
    assert len(reply["reranked_documents"]) == 2
    page.close()


def watch(page: Any, url: str) -> tuple[list[str], list[str]]:
    """What the page asks of other hosts, and what its console complains about."""
    outside: list[str] = []
    errors: list[str] = []
    mine = (url, url.replace("http", "ws", 1), "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(mine) else outside.append(r.url))
    page.on("websocket", lambda w: None if w.url.startswith(mine) else outside.append(w.url))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    return outside, errors


def click(page: Any, key: str) -> None:
    page.locator(f".st-key-{key} button").click()


def at_rest(page: Any) -> None:
    """Streamlit fills the fields one by one; a click before the last sends what is there."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


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
