"""Where a visitor enters query and documents: typed, uploaded or from an example."""

from __future__ import annotations

import streamlit as st

from qwen_rerank.server.examples import EN_DOCUMENTS, EN_QUERY, ZH_DOCUMENTS, ZH_QUERY
from qwen_rerank.server.page.files import FileError, lines_of, read_documents
from qwen_rerank.server.page.translations import Translator


def entry(translate: Translator) -> tuple[str, list[str]]:
    """Query and documents, typed, uploaded or from an example."""
    left, right = st.columns(2)
    for place, name, example in (
        (left, "example_zh", (ZH_QUERY, ZH_DOCUMENTS)),
        (right, "example_en", (EN_QUERY, EN_DOCUMENTS)),
    ):
        place.button(translate(name), key=name, on_click=fill, args=example, width="stretch")
    return fields(translate, *st.session_state.get("example", (0, "", "")))


def fields(translate: Translator, number: int, query: str, text: str) -> tuple[str, list[str]]:
    """The fields of an example; what a visitor enters replaces it.

    Each example has its own fields, by their keys: what a browser sends that still shows
    the ones before can't undo it.
    """
    query = st.text_input(
        translate("query"), query, key=f"query-{number}", placeholder=translate("query_hint")
    )
    text = st.text_area(
        translate("documents"),
        text,
        key=f"documents-{number}",
        height=230,
        placeholder=translate("documents_hint"),
    )
    with st.expander(translate("upload")):
        kinds = ["txt", "jsonl", "csv"]
        file = st.file_uploader(translate("upload_help"), kinds, key=f"file-{number}")
        if file is None:
            return query, lines_of(text)
        return query, uploaded(translate, file.name, file.getvalue())


def fill(query: str, documents: list[str]) -> None:
    """Put an example into the fields."""
    number = st.session_state.get("example", (0,))[0] + 1
    st.session_state.example = (number, query, "\n".join(documents))
    st.session_state.wanted = False
    st.session_state.pop("shown", None)


def uploaded(translate: Translator, name: str, data: bytes) -> list[str]:
    """The documents of a file; says how many there are, or what is wrong with it."""
    try:
        documents = read_documents(name, data)
    except FileError as error:
        st.error(translate("bad_file") + translate(error.reason, line=error.line))
        return []
    st.success(translate("from_file", count=len(documents)))
    return documents
