"""The results of this visit, which a visitor can come back to."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from qwen_rerank.server.page.choice import PageRequest
from qwen_rerank.server.page.entry import Entry, show_entry
from qwen_rerank.server.page.shown import ShownRanking, ShownResult, start_of
from qwen_rerank.server.page.translations import Translator

MOST = 10
MOST_CHARACTERS = 4_000_000
"""Of all results' documents; the server holds them in memory as long as the visit lasts."""


def keep(entry: Entry, request: PageRequest, rankings: tuple[ShownRanking, ...], time: str) -> None:
    """Show this result, and remember it."""
    earlier: list[ShownResult] = st.session_state.get("visit", [])
    number = earlier[0].number + 1 if earlier else 1
    st.session_state.shown = ShownResult(number, time, entry, request, rankings)
    st.session_state.visit = within_limits([st.session_state.shown, *earlier])


def within_limits(results: Sequence[ShownResult]) -> list[ShownResult]:
    """The newest results; always the first one."""
    kept: list[ShownResult] = []
    characters = 0
    for result in results[:MOST]:
        characters += sum(map(len, result.request.documents))
        if kept and characters > MOST_CHARACTERS:
            break
        kept.append(result)
    return kept


def history(translate: Translator) -> None:
    """A list to choose an earlier result from; a select box shows its options as plain text."""
    visit: list[ShownResult] = st.session_state.visit
    if len(visit) < 2:
        return
    by_number = {one.number: one for one in visit}
    key = f"history-{st.session_state.shown.number}-{visit[0].number}"
    st.selectbox(
        translate("history"),
        list(by_number),
        index=list(by_number).index(st.session_state.shown.number),
        format_func=lambda number: label(translate, by_number[number]),
        key=key,
        on_change=come_back,
        args=(key,),
    )


def label(translate: Translator, result: ShownResult) -> str:
    """Time, query and size."""
    size = translate.count("documents", len(result.request.documents))
    return f"{result.time} · {start_of(result.request.query)} · {size}"


def come_back(key: str) -> None:
    """Show the chosen result, and what was entered for it."""
    number = st.session_state[key]
    shown = next(one for one in st.session_state.visit if one.number == number)
    st.session_state.shown = shown
    st.session_state.wanted = False
    choice = shown.request.choice
    st.session_state.top_n = choice.top_n or 0
    st.session_state.instruction = choice.instruction or ""
    st.session_state.comparison = choice.comparison
    st.session_state.other_instruction = choice.other_instruction or ""
    show_entry(shown.entry)
