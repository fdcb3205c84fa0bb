"""The side panel: language and settings."""

from __future__ import annotations

from typing import cast

import streamlit as st

from qwen_rerank.server.page.choice import Choice, Comparison
from qwen_rerank.server.page.other_model import OtherModel
from qwen_rerank.server.page.translations import LANGUAGES, Language, Translator, language_of
from qwen_rerank.server.service import Service

MOST_INSTRUCTION_CHARACTERS = 2000
"""Of an instruction."""


def choose_language() -> Translator:
    """The page's texts, in the browser's language or in the chosen one."""
    st.session_state.setdefault("language", language_of(st.context.locale))
    chosen = st.sidebar.segmented_control(
        "语言 / Language", LANGUAGES, required=True, key="language"
    )
    return Translator(cast("Language", chosen))


def settings_panel(service: Service, other: OtherModel | None, translate: Translator) -> Choice:
    """The settings of a request."""
    with st.sidebar:
        st.subheader(translate("settings"), anchor=False)
        top_n = st.number_input(
            translate("top_n"), 0, service.settings.max_documents, key="top_n", step=1
        )
        instruction = instruction_field(translate, "instruction")
        comparison, other_instruction = compare(translate, other)
        st.caption(translate("model"))
        st.text(service.settings.model)
    return Choice(int(top_n) or None, instruction, comparison, other_instruction)


def instruction_field(translate: Translator, name: str) -> str | None:
    """The task; `None` where nothing is entered."""
    text = st.text_area(
        translate(name),
        key=name,
        height=100,
        help=translate("instruction_help"),
        placeholder=translate("instruction_hint"),
        max_chars=MOST_INSTRUCTION_CHARACTERS,
    )
    return text.strip() or None


def compare(translate: Translator, other: OtherModel | None) -> tuple[Comparison, str | None]:
    """What a second ranking differs in, and its instruction."""
    options = ["off", "instruction", *(["model"] if other else [])]
    if st.session_state.comparison not in options:  # from the link of another server
        st.session_state.comparison = "off"
    comparison = cast(
        "Comparison",
        st.selectbox(
            translate("compare"),
            options,
            format_func=lambda one: translate(f"compare_{one}", model=other.name if other else ""),
            key="comparison",
        ),
    )
    if comparison != "instruction":
        return comparison, None
    return comparison, instruction_field(translate, "other_instruction")
