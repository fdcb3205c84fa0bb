"""What a visitor says of a result."""

from __future__ import annotations

import asyncio

import streamlit as st

from qwen_rerank.errors import QwenRerankError
from qwen_rerank.server.page.outcome import Outcome
from qwen_rerank.server.page.words import Words
from qwen_rerank.server.service import Service

MOST_CHOICES = 50
PATIENCE = 20
"""Seconds to wait for the file."""
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
    if not relevant and adopted is None:
        st.warning(words("nothing_said"))
        return
    # no choice says nothing: a visitor may have looked at the answer only
    work = service.recorder.feedback(outcome.id, relevant or None, adopted)
    try:
        asyncio.run_coroutine_threadsafe(work, service.loop).result(PATIENCE)
    except (QwenRerankError, TimeoutError):
        st.error(words("not_kept"))
    else:
        st.success(words("thanks"))


def _said(words: Words, outcome: Outcome) -> tuple[list[int], bool | None]:
    """The relevant results and the adoption; labels hold numbers only, as they are Markdown."""
    labels = {row["index"]: words("choice", **row) for row in outcome.rows()[:MOST_CHOICES]}
    relevant = st.multiselect(
        words("relevant"),
        list(labels),
        format_func=labels.__getitem__,
        placeholder=words("choose"),
        key=f"of-{outcome.id}",
    )
    adopted = st.radio(
        words("adopted"),
        list(_ADOPTED),
        format_func=words,
        horizontal=True,
        key=f"adopted-{outcome.id}",
    )
    return relevant, _ADOPTED[adopted]
