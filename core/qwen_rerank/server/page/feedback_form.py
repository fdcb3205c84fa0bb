"""The form for feedback on a result."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import streamlit as st

from qwen_rerank.errors import QwenRerankError
from qwen_rerank.server.page.shown import ShownRanking
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.service import Service

MOST_CHOICES = 50
SAVE_SECONDS = 8
"""The longest wait for the recorder, which gives up before."""
_ADOPTED = {"unsaid": None, "yes": True, "no": False}


def feedback_form(service: Service, translate: Translator, shown: ShownRanking) -> None:
    """Show the form if feedback is kept, and save what is sent."""
    if service.recorder is None:
        return
    st.subheader(translate("judge"), anchor=False)
    st.caption(translate("judge_help_texts" if service.settings.feedback_texts else "judge_help"))
    relevant, adopted = _said(translate, shown)
    if not st.button(translate("send"), key="send"):
        return
    if relevant is None and adopted is None:
        st.warning(translate("nothing_said"))
    elif not _kept(service, service.recorder.feedback(shown.id, relevant, adopted)):
        st.error(translate("not_kept"))
    else:
        st.success(translate("thanks"))
        if relevant is not None:
            st.session_state[f"chosen-{shown.id}"] = True


def _kept(service: Service, work: Coroutine[Any, Any, None]) -> bool:
    try:
        asyncio.run_coroutine_threadsafe(work, service.loop).result(SAVE_SECONDS)
    except (QwenRerankError, TimeoutError):
        return False
    return True


def _said(translate: Translator, shown: ShownRanking) -> tuple[list[int] | None, bool | None]:
    """The relevant results and the adoption, `None` where nothing is said."""
    none = st.session_state.get(f"none-{shown.id}", False)
    relevant = _chosen(translate, shown, disabled=none)
    st.checkbox(translate("none_relevant"), key=f"none-{shown.id}")
    adopted = st.radio(
        translate("adopted"),
        list(_ADOPTED),
        format_func=translate,
        horizontal=True,
        key=f"adopted-{shown.id}",
    )
    if none:
        relevant = []
    # no choice says nothing, for a visitor may have looked at the answer only; once a choice
    # was sent, it takes that back
    said = relevant or none or f"chosen-{shown.id}" in st.session_state
    return relevant if said else None, _ADOPTED[adopted]


def _chosen(translate: Translator, shown: ShownRanking, *, disabled: bool) -> list[int]:
    """Labels hold numbers only, as they are Markdown."""
    labels = {row["index"]: translate("choice", **row) for row in shown.rows()[:MOST_CHOICES]}
    return st.multiselect(
        translate("relevant"),
        list(labels),
        format_func=labels.__getitem__,
        placeholder=translate("choose"),
        key=f"of-{shown.id}",
        disabled=disabled,
    )
