"""Asks for the server's key, where there is one, before anything else."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from qwen_rerank.server.auth import admit_session, is_key
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.service import Service


def is_admitted(service: Service, translate: Translator) -> bool:
    """Whether the visitor may use the page; shows the form for the key if not."""
    key = service.settings.server_api_key
    if key is None:
        return True
    if not st.session_state.get("admitted"):
        place = st.empty()
        with place.form("access"):
            entered = st.text_input(translate("key"), type="password", key="key")
            sent = st.form_submit_button(translate("open"), type="primary", key="open")
        st.session_state.admitted = sent and is_key(entered, key)
        if not st.session_state.admitted:
            if sent:
                st.error(translate("wrong_key"))
            return False
        place.empty()
    context = get_script_run_ctx()
    if context is not None:
        admit_session(context.session_id)  # again at each click, or busy servers forget it
    return True
