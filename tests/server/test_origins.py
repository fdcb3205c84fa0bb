"""Pages of other origins, which a visitor's browser would let ask a local server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from qwen_rerank import ConfigError
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer
from tests.server.running import Running, serving
from tests.server.test_bad_input import GOOD, said

EVIL = "https://evil.example"
FRIEND = "https://app.example"
FROM_OTHERS = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
    "another port": {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
    "an old browser": {"Origin": EVIL},
    "an old browser, another port": {"Origin": "http://127.0.0.1:1"},
    "a sandboxed frame": {"Origin": "null"},
    "no origin, but another site": {"Sec-Fetch-Site": "cross-site"},
    "an origin that is no URL": {"Origin": "http://[::1"},
    "another scheme": {"Origin": "file://"},
}
LINK = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(scorer=FakeScorer(), cors_origin=f"{FRIEND}, http://localhost:3000") as running:
        yield running


@pytest.mark.parametrize("name", FROM_OTHERS)
def test_a_page_of_another_origin_is_refused(server: Running, name: str) -> None:
    assert "--cors-origin" in said(server.post(GOOD, headers=FROM_OTHERS[name]), 403)
    got = requests.get(server.url + "/health", headers=FROM_OTHERS[name], timeout=30)
    said(got, 403)
    assert "Access-Control-Allow-Origin" not in got.headers


def test_the_own_page_and_programs_are_let_in(server: Running) -> None:
    for headers in (
        {},
        {"Origin": server.url},
        {"Origin": server.url, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://rerank.example", "Host": "localhost", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://localhost", "Host": "localhost:443"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert server.post(GOOD, headers=headers).ok, headers


def test_a_link_on_another_site_may_open_the_page_but_not_in_a_frame(server: Running) -> None:
    assert requests.get(server.url + "/health", headers=LINK, timeout=30).ok
    said(requests.get(server.url, headers=LINK | {"Sec-Fetch-Dest": "iframe"}, timeout=30), 403)
    said(server.post(GOOD, headers=LINK), 403)
    reply = requests.get(server.url + "/health", timeout=30)
    assert reply.headers["Content-Security-Policy"] == "frame-ancestors 'self'"


@pytest.mark.parametrize(
    "kind",
    ["text/plain;x=json", "text/json", "application/jsonp", "application/json-patch+json", "json"],
)
def test_the_media_type_is_json_and_nothing_like_it(server: Running, kind: str) -> None:
    said(server.post(GOOD, headers={"Content-Type": kind}), 415)
    assert server.post(GOOD, headers={"Content-Type": "Application/JSON; charset=utf-8"}).ok


def test_a_browser_client_of_an_allowed_origin(server: Running) -> None:
    headers = {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = requests.options(server.url + "/v1/rerank", headers=headers | asks, timeout=30)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == FRIEND
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]
    for reply in (server.post(GOOD, headers=headers), server.post({}, headers=headers)):
        assert reply.headers["Access-Control-Allow-Origin"] == FRIEND, "errors are readable, too"
        assert "X-Rerank-Id" in reply.headers["Access-Control-Expose-Headers"]
    other = requests.options(server.url, headers=asks | {"Origin": EVIL}, timeout=30)
    said(other, 403)


@pytest.mark.parametrize("wrong", ["*", "app.example", "https://app.example/", "https://a,ftp://b"])
def test_an_allowed_origin_is_named_exactly(wrong: str) -> None:
    with pytest.raises(ConfigError, match="takes origins such as"):
        ServerSettings(cors_origin=wrong)
