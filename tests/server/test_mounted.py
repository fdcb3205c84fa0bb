"""With the page at the root: it answers its own paths, and all others are the API's."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("path", ["/v1", "/v2/x", "/rerank/x", "/health/x", "/nothing", "//x/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_a_json_404(url: str, path: str, method: str) -> None:
    said(requests.request(method, url + path, timeout=30, allow_redirects=False), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_root_takes_get_only(url: str, method: str) -> None:
    reply = requests.request(method, url, timeout=30)
    said(reply, 405)
    assert reply.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["//rerank", "/rerank/", "//v1//rerank/"])
def test_a_base_url_may_end_in_a_slash(url: str, path: str) -> None:
    body = {"query": "q", "documents": ["a", "b"]}
    reply = requests.post(url + path, json=body, timeout=30, allow_redirects=False)
    assert len(reply.json()["results"]) == 2


def test_the_page_has_all_of_its_files(url: str) -> None:
    page = requests.get(url, timeout=30).text
    files = re.findall(r'(?:src|href)="\./([^"]+)"', page)
    assert files
    for path in (*files, "_stcore/health", "_stcore/host-config"):
        assert requests.get(f"{url}/{path}", timeout=30).status_code == 200, path


def test_page_and_api_share_the_port(url: str) -> None:
    assert "text/html" in requests.get(url, timeout=30).headers["content-type"]
    body = {"query": "q", "documents": ["a", "b"]}
    assert requests.post(url + "/rerank", json=body, timeout=30).ok
    said(requests.post(url + "/rerank", json=body, headers={"Host": "evil.example"}), 400)
