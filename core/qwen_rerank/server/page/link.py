"""The link that holds what a visitor has entered, for a reload and for others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args
from urllib.parse import urlencode

import streamlit as st

from qwen_rerank.server.page.choice import Choice, Comparison
from qwen_rerank.server.page.entry import Entry
from qwen_rerank.server.page.files import Separator
from qwen_rerank.server.page.translations import LANGUAGES, SHORT_NAMES, Language

LONGEST_LINK = 6000
"""Characters of a link's parameters: proxies and servers refuse lines above 8 kB."""
LEFT_OUT_FIRST = ("documents", "other_instruction", "instruction", "query")


def open_link(max_top_n: int) -> None:
    """Fill the page of a new visit from its link."""
    if "entry" in st.session_state:
        return
    given = st.query_params.to_dict()
    separator: Separator = "blank_lines" if given.get("separator") == "blank_lines" else "lines"
    text = given.get("documents", "")
    st.session_state.entry = Entry(0, given.get("query", ""), text, separator)
    for name in ("instruction", "other_instruction"):
        st.session_state[name] = given.get(name, "")
    st.session_state.top_n = number(given.get("top_n"), max_top_n)
    st.session_state.threshold = number(given.get("threshold"), 100) / 100
    chosen = given.get("comparison")
    st.session_state.comparison = chosen if chosen in get_args(Comparison) else "off"
    if given.get("language") in SHORT_NAMES:
        st.session_state.language = LANGUAGES[SHORT_NAMES.index(given["language"])]


def number(text: str | None, most: int) -> int:
    """A whole number from 0 to `most`; 0 for everything else."""
    digits = text is not None and text.isascii() and text.isdigit() and len(text) < 10
    return min(int(text), most) if digits and text is not None else 0


def link_of(entry: Entry, choice: Choice, language: Language | None) -> tuple[str, bool]:
    """The parameters of a link, and whether it holds everything.

    Args:
        entry: The texts; the documents of a file are never in a link.
        choice: The settings.
        language: The page's language, if it was chosen by hand.
    """
    values = {
        "query": entry.query,
        "documents": entry.text if entry.file is None else "",
        "separator": entry.separator if entry.separator != "lines" else "",
        "instruction": choice.instruction or "",
        "top_n": choice.top_n or "",
        "threshold": round(100 * st.session_state.get("threshold", 0.0)) or "",
        "comparison": choice.comparison if choice.comparison != "off" else "",
        "other_instruction": choice.other_instruction or "",
        "language": SHORT_NAMES[LANGUAGES.index(language)] if language else "",
    }
    return within_limit({name: value for name, value in values.items() if value != ""})


def within_limit(values: Mapping[str, object]) -> tuple[str, bool]:
    """The values as parameters, without the longest of them if all are too long."""
    kept = dict(values)
    for name in LEFT_OUT_FIRST:
        if len(urlencode(kept)) > LONGEST_LINK:
            kept.pop(name, None)
    return urlencode(kept), len(kept) == len(values)
