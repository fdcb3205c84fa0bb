"""What a visitor says of a result."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import streamlit as st

from qwen_rerank.errors import QwenRerankError
from qwen_rerank.server.page.outcome import Outcome
from qwen_rerank.server.page.translations import Words
from qwen_rerank.server.service import Service

MOST_CHOICES = 50
PATIENCE = 8
"""Seconds to wait for the recorder, which gives up before."""
_ADOPTED = {"unsaid": None, "yes": True, "no": False}


def judge(service: Service, words: Words, outcome: Outcome) -> None:
    """Ask what it was good for, where feedback is kept."""
    if service.recorder is None:
        return
    st.subheader(words("judge"), anchor=False)
    st.caption(words("judge_help_texts" if service.settings.feedback_texts else "judge_help"))
    relevant, adopted = _said(words, outcome)
    if not st.button(words("send"), key="send"):
        return
    if relevant is None and adopted is None:
        st.warning(words("nothing_said"))
    elif not _kept(service, service.recorder.feedback(outcome.id, relevant, adopted)):
        st.error(words("not_kept"))
    else:
        st.success(words("thanks"))
        if relevant is not None:
            st.session_state[f"chosen-{outcome.id}"] = True


def _kept(service: Service, work: Coroutine[Any, Any, None]) -> bool:
    try:
        asyncio.run_coroutine_threadsafe(work, service.loop).result(PATIENCE)
    except (QwenRerankError, TimeoutError):
        return False
    return True


def _said(words: Words, outcome: Outcome) -> tuple[list[int] | None, bool | None]:
    """The relevant results and the adoption, `None` where nothing is said."""
    none = st.session_state.get(f"none-{outcome.id}", False)
    relevant = _chosen(words, outcome, disabled=none)
    st.checkbox(words("none_relevant"), key=f"none-{outcome.id}")
    adopted = st.radio(
        words("adopted"),
        list(_ADOPTED),
        format_func=words,
        horizontal=True,
        key=f"adopted-{outcome.id}",
    )
    if none:
        relevant = []
    # no choice says nothing, for a visitor may have looked at the answer only; once a choice
    # was sent, it takes that back
    said = relevant or none or f"chosen-{outcome.id}" in st.session_state
    return relevant if said else None, _ADOPTED[adopted]


def _chosen(words: Words, outcome: Outcome, *, disabled: bool) -> list[int]:
    """Labels hold numbers only, as they are Markdown."""
    labels = {row["index"]: words("choice", **row) for row in outcome.rows()[:MOST_CHOICES]}
    return st.multiselect(
        words("relevant"),
        list(labels),
        format_func=labels.__getitem__,
        placeholder=words("choose"),
        key=f"of-{outcome.id}",
        disabled=disabled,
    )
