"""Feedback on a result: a click on each relevant row, and whether something was used."""

from __future__ import annotations

import asyncio

import streamlit as st

from qwen_rerank.errors import QwenRerankError
from qwen_rerank.server.page.shown import Row, ShownRanking
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.service import Service

SAVE_SECONDS = 8
"""The longest wait for the recorder, which gives up before."""


def judge(service: Service, translate: Translator, ranking: ShownRanking, row: Row) -> None:
    """The box of a row; a click is stored at once."""
    st.checkbox(
        translate("relevant"),
        key=_key(ranking, row.result.index),
        disabled=st.session_state.get(f"none-{ranking.id}", False),
        on_change=save_relevant,
        args=(service, translate, ranking),
    )


def feedback_form(service: Service, translate: Translator, ranking: ShownRanking) -> None:
    """What concerns the result as a whole, if feedback is stored."""
    if service.recorder is None:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="feedback"):
        st.checkbox(
            translate("none_relevant"),
            key=f"none-{ranking.id}",
            disabled=bool(relevant(ranking)),
            on_change=save_relevant,
            args=(service, translate, ranking),
        )
        st.segmented_control(
            translate("used"),
            ["yes", "no"],
            format_func=translate,
            key=f"used-{ranking.id}",
            on_change=save_used,
            args=(service, translate, ranking),
        )
    texts = service.settings.feedback_texts
    st.caption(translate("feedback_help_texts" if texts else "feedback_help"))


def relevant(ranking: ShownRanking) -> list[int]:
    """Indexes of the rows that are marked."""
    indexes = (result.index for result in ranking.results)
    return [index for index in indexes if st.session_state.get(_key(ranking, index))]


def save_relevant(service: Service, translate: Translator, ranking: ShownRanking) -> None:
    """Store all rows that are marked now; none at all takes earlier marks back."""
    save(service, translate, ranking, relevant(ranking), None)


def save_used(service: Service, translate: Translator, ranking: ShownRanking) -> None:
    """Store whether a result was used; a second click on the same button changes nothing."""
    used = st.session_state[f"used-{ranking.id}"]
    if used is not None:
        save(service, translate, ranking, None, used == "yes")


def save(
    service: Service,
    translate: Translator,
    ranking: ShownRanking,
    indexes: list[int] | None,
    used: bool | None,
) -> None:
    """Store it, and say whether that worked."""
    assert service.recorder is not None  # noqa: S101 - its callers exist only with one
    work = service.recorder.feedback(ranking.id, indexes, used)
    try:
        asyncio.run_coroutine_threadsafe(work, service.loop).result(SAVE_SECONDS)
    except (QwenRerankError, TimeoutError):
        st.toast(translate("not_saved"), icon=":material/error:")
    else:
        st.toast(translate("saved"), icon=":material/check:")


def _key(ranking: ShownRanking, index: int) -> str:
    return f"relevant-{ranking.id}-{index}"
