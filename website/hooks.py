"""What the site changes in a page: it has a language switch of its own."""

from __future__ import annotations

import re
from typing import Any

_OTHER_LANGUAGE = re.compile(r"^\[(?:中文|English)\]\([^)]*\)\n", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Drop the link to the page in the other language, which is no file of this language."""
    return _OTHER_LANGUAGE.sub("", markdown)
