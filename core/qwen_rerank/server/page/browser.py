"""What Streamlit has no part for: the page's language, its link, Enter, and scrolling."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_SCRIPT = Path(__file__).with_name("browser.js").read_text()


def in_browser(*, language: str, link: str, outcome: int) -> None:
    """Tell the browser.

    Args:
        language: Of the page, as HTML names it.
        link: The parameters that the address shall have.
        outcome: Counts what clicks on the button brought; a new one scrolls into view.
    """
    component = st.components.v2.component("qwen_rerank_browser", js=_SCRIPT)
    component(data={"language": language, "link": link, "outcome": outcome}, key="browser")
