"""The documentation site: no warning, both languages, a search that finds, nothing from the web."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does; --strict makes an error of each warning."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def found_by_search(site: Path, text: str) -> set[str]:
    """The pages whose entry in the search index holds a text."""
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    return {entry["location"].split("#")[0] for entry in index["docs"] if text in entry["text"]}


def test_the_search_finds_a_metadata_key_in_both_languages(site: Path) -> None:
    pages = found_by_search(site, "rerank_error")
    assert {"docs/reference/", "zh-CN/docs/architecture/"} <= pages


def test_the_reference_holds_the_docstrings(site: Path) -> None:
    page = (site / "docs" / "reference" / "index.html").read_text("utf-8")
    for name in ("langchain_qwen_rerank.QwenRerank.compress_documents", "qwen_rerank.load"):
        assert f'id="{name}"' in page
    assert "The most documents to return" in page


@pytest.mark.parametrize("page", ["index.html", "zh-CN/index.html", "docs/reference/index.html"])
def test_a_page_loads_nothing_from_the_web(site: Path, page: str) -> None:
    html = (site / page).read_text("utf-8")
    loaded = re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"?(http[^\"\s>]+)", html)
    assert loaded == []


def test_every_page_has_its_other_language() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    english = {name for name in pages if ".zh-CN." not in name}
    assert {name.replace(".md", ".zh-CN.md") for name in english} == pages - english
