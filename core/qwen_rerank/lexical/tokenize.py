"""Splits Chinese and English text into the terms that BM25 counts."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
"""Kana and Chinese characters: scripts that put no spaces between words."""

_RUN = re.compile(f"([{_UNSPACED}]+)|([^\\W_{_UNSPACED}]+)")


def terms(text: str) -> list[str]:
    """The terms of a text, in lower case, in the order of the text.

    In scripts without spaces each character and each pair of neighbours is a term, much as in
    Lucene's CJKAnalyzer: this needs no dictionary and also finds names that are in none.
    Full-width letters and digits are the same as the usual ones.
    """
    found: list[str] = []
    for unspaced, word in _RUN.findall(unicodedata.normalize("NFKC", text).lower()):
        found += _pieces(unspaced) if unspaced else [word]
    return found


def _pieces(run: str) -> list[str]:
    return [*run, *map("".join, pairwise(run))]
