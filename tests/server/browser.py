"""One Chromium, and visits to the page in it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or ""
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
MOST_DOCUMENTS = 60
"""That the server takes from a visitor."""
PATIENCE = 60_000
"""Milliseconds after which a test gives up waiting."""
SHOTS = os.environ.get("QWEN_RERANK_TEST_SCREENSHOTS")
"""A folder; screenshots of each state are put there to be looked at."""
ROW = "[class*=st-key-row-]"
ALERT = "[data-testid=stAlert]"
PANEL = "[data-testid=stSidebar]"
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
READY = "html[data-outcome] :is(.st-key-rerank, .st-key-open) button"
"""The page's own script has run, without which Enter does nothing."""
AT_REST = "[data-testid=stApp][data-test-script-state=notRunning]"


@dataclass(frozen=True)
class Look:
    """What a visitor's browser is set to."""

    width: int
    height: int
    scheme: str
    locale: str

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}-{self.locale[:2]}"

    @property
    def is_phone(self) -> bool:
        return self.width < 640

    @property
    def is_chinese(self) -> bool:
        return self.locale == "zh-CN"


LOOKS = [
    Look(1280, 900, "light", "en-US"),
    Look(390, 844, "dark", "zh-CN"),
    Look(1280, 900, "dark", "zh-CN"),
    Look(390, 844, "light", "en-US"),
]
"""Each size with each scheme and each language."""


@dataclass
class Visit:
    """A visitor's page."""

    page: Any
    url: str
    look: Look
    outside: list[str] = field(default_factory=list)
    """What the page asks of other hosts."""
    console: list[str] = field(default_factory=list)
    """What its console and its loads say."""

    def __post_init__(self) -> None:
        page, console = self.page, self.console
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))
        page.on("console", lambda m: console.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda error: console.append(f"error: {error}"))
        page.on("requestfailed", lambda r: console.append(f"not loaded: {r.url} {r.failure}"))

    def _note(self, url: str) -> None:
        if not url.startswith((self.url, self.url.replace("http", "ws", 1), "data:", "blob:")):
            self.outside.append(url)

    def open(self, parameters: str = "") -> None:
        self.page.goto(f"{self.url}/{parameters}")
        self.until(READY)
        self.at_rest()

    def until(self, selector: str) -> Any:
        """Wait for it to be seen; a test that waits in vain says what there was instead."""
        from playwright.sync_api import TimeoutError as InVain

        found = self.page.locator(selector).first
        try:
            found.wait_for()
        except InVain:
            shown, said = self.page.locator("body").inner_text(), "\n".join(self.console)
            pytest.fail(f"no {selector}; page:\n{shown}\nconsole:\n{said}")
        return found

    def at_rest(self) -> None:
        """No run, and nothing to be loaded that could move what is about to be clicked."""
        self.page.evaluate(TWO_FRAMES)  # in which the page takes note of the last click
        self.until(AT_REST)

    def example(self, number: int) -> None:
        """Take the example at this place."""
        self.page.locator(".st-key-example button").nth(number).click()
        self.until(".st-key-query-1 input")
        self.at_rest()

    @property
    def query(self) -> Any:
        return self.page.locator("[class*=st-key-query-] input")

    @property
    def documents(self) -> Any:
        return self.page.locator("[class*=st-key-documents-] textarea")

    @property
    def heading(self) -> str:
        return str(self.page.locator(".st-key-outcome h3").first.inner_text())

    def result_for(self, query: str) -> None:
        """Wait for the result of this query."""
        self.page.locator(".st-key-outcome h3", has_text=query).first.wait_for()
        self.at_rest()

    def panel(self) -> None:
        """Open the side panel where it is closed, as on a phone."""
        if self.look.is_phone:
            self.page.get_by_test_id("stExpandSidebarButton").click()
            self._panel_at("left === 0")

    def close_panel(self) -> None:
        if self.look.is_phone:
            self.page.get_by_test_id("stSidebarCollapseButton").locator("button").click()
            self._panel_at("right <= 0")

    def _panel_at(self, condition: str) -> None:
        """Wait until it has come to rest; it slides."""
        box = f"document.querySelector('{PANEL}').getBoundingClientRect()"
        self.page.wait_for_function(f"{box}.{condition}")

    def shoot(self, name: str) -> None:
        if SHOTS:
            self.page.wait_for_timeout(1500)  # for what moves to come to rest
            self.page.screenshot(path=f"{SHOTS}/{self.look}-{name}.png")

    def shoot_all(self, name: str) -> None:
        """The page scrolls inside its frame: to see all of it, the frame has to grow."""
        if SHOTS:
            script = "document.querySelector('[data-testid=stMain]').scrollHeight"
            size = {"width": self.look.width, "height": self.page.evaluate(script)}
            self.page.set_viewport_size(size)
            self.shoot(name)
            self.page.set_viewport_size({"width": self.look.width, "height": self.look.height})


def opened(browser: Any, url: str, look: Look) -> Visit:
    """A visit in a browser that has seen nothing yet."""
    return Visit(browser.new_page(**options(look)), url, look)


def options(look: Look) -> dict[str, Any]:
    """Of Playwright's pages and contexts."""
    return {
        "viewport": {"width": look.width, "height": look.height},
        "color_scheme": look.scheme,
        "locale": look.locale,
        "device_scale_factor": 2 if SHOTS else 1,
    }
