"""With the page at the root, which would answer every path with itself if it were let."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.server.test_bad_input import PATHS, said
from tests.server.test_stop import process


@pytest.fixture(scope="module")
def url(tiny_model: Path) -> Iterator[str]:
    with process("--model", str(tiny_model), "--device", "cpu") as (_, url):
        yield url


def test_the_page_takes_no_path_of_the_api(url: str) -> None:
    for path, right in PATHS.items():
        for method in {"GET", "POST", "PUT", "DELETE", "OPTIONS"} - {right}:
            said(requests.request(method, url + path, timeout=30), 405)
    for path in ("/v1", "/v1/models", "/v1/rerank/", "/v2/x", "/rerank/", "/health/x"):
        for method in ("GET", "POST"):
            reply = requests.request(method, url + path, timeout=30, allow_redirects=False)
            said(reply, 404)


def test_page_and_api_share_the_port(url: str) -> None:
    assert "text/html" in requests.get(url, timeout=30).headers["content-type"]
    body = {"query": "q", "documents": ["a", "b"]}
    assert requests.post(url + "/rerank", json=body, timeout=30).ok
    said(requests.post(url + "/rerank", json=body, headers={"Host": "evil.example"}), 400)
