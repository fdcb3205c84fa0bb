"""The tab that shows how to get the same by REST."""

from __future__ import annotations

import streamlit as st

from qwen_rerank.server.examples import EN_DOCUMENTS, EN_QUERY
from qwen_rerank.server.page import command
from qwen_rerank.server.page.choice import PageRequest
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.service import Service


def api_tab(service: Service, translate: Translator, request: PageRequest) -> None:
    """A command with what is entered, and the code of clients."""
    address = (st.context.url or "http://localhost:8080").partition("?")[0].rstrip("/")
    key = service.settings.server_api_key is not None
    documents = request.documents or tuple(EN_DOCUMENTS)
    st.write(translate("api_introduction"))
    query = request.query or EN_QUERY
    shell = command.curl(address, query, documents, request.choice, key=key)
    st.code(shell, language=None, wrap_lines=True)  # its colours for code are too faint to read
    if len(documents) > command.MOST:
        st.caption(translate("api_cut", count=command.MOST))
    for name, code in (("api_adapter", command.langchain), ("api_compatible", command.cohere)):
        st.write(translate(name))
        st.code(code(address, key=key), language=None, wrap_lines=True)
    st.write(translate("api_more"))
