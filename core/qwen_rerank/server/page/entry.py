"""Where a visitor enters query and documents: typed, uploaded or from an example."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import streamlit as st

from qwen_rerank.server.page.examples import EXAMPLES, Example
from qwen_rerank.server.page.files import (
    KINDS,
    FileDocuments,
    FileError,
    Separator,
    read_file,
    split_text,
)
from qwen_rerank.server.page.translations import Translator

ENTRY_HEIGHT = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in the fields.

    Each entry that does not come from typing has fields of its own, whose keys hold its number:
    what a browser sends that still shows the fields before it can't undo it.
    """

    number: int = 0
    query: str = ""
    text: str = ""
    separator: Separator = "lines"
    file: FileDocuments | None = None
    """What counts in place of the text."""

    @property
    def documents(self) -> tuple[str, ...]:
        """The candidates, in the order before."""
        return tuple(self.file.documents if self.file else split_text(self.text, self.separator))


def show_entry(entry: Entry) -> None:
    """Put this into the fields; for callbacks, which run before the fields are drawn."""
    number = st.session_state.entry.number + 1
    st.session_state.entry = replace(entry, number=number)


def enter(translate: Translator) -> Entry:
    """The fields, and what stands in them."""
    shown: Entry = st.session_state.entry
    examples(translate)
    query = st.text_input(
        translate("query"),
        shown.query,
        key=f"query-{shown.number}",
        placeholder=translate("query_hint"),
    )
    above_the_upload = st.container()
    file = shown.file or uploaded(translate, shown.number)
    text, separator = shown.text, shown.separator
    with above_the_upload:
        if file is None:
            text, separator = typed(translate, shown)
        else:
            file_note(translate, file, removable=shown.file is not None)
    return Entry(shown.number, query, text, separator, file)


def examples(translate: Translator) -> None:
    """One click fills the fields."""
    st.pills(
        translate("examples"),
        EXAMPLES,
        format_func=lambda example: example.name(translate.language),
        key="example",
        on_change=take_example,
    )


def take_example() -> None:
    """Put the chosen example into the fields."""
    example: Example | None = st.session_state.example
    if example is not None:
        show_entry(Entry(0, example.query, "\n".join(example.documents)))
        st.session_state.instruction = example.instruction
        st.session_state.wanted = False


def typed(translate: Translator, shown: Entry) -> tuple[str, Separator]:
    """The text area, and what separates the documents in it."""
    text = st.text_area(
        translate("documents_label"),
        shown.text,
        key=f"documents-{shown.number}",
        height=ENTRY_HEIGHT,
        placeholder=translate("documents_hint"),
    )
    separator = st.segmented_control(
        translate("separator"),
        ["lines", "blank_lines"],
        default=shown.separator,
        required=True,
        format_func=translate,
        key=f"separator-{shown.number}",
        label_visibility="collapsed",
    )
    return text, cast("Separator", separator)


def uploaded(translate: Translator, number: int) -> FileDocuments | None:
    """The documents of a file; it is read once, as long as it stays."""
    with st.expander(translate("upload")):
        file = st.file_uploader(translate("upload_help"), KINDS, key=f"file-{number}")
        if file is None:
            return None
        if st.session_state.get("read", ("", None))[0] != file.file_id:
            with st.spinner(translate("reading")):
                st.session_state.read = (file.file_id, documents_of(file.name, file.getvalue()))
        found: FileDocuments | FileError = st.session_state.read[1]
        if isinstance(found, FileDocuments):
            return found
        st.error(found.detail, title=translate(found.reason, line=found.line))
        return FileDocuments(file.name, ())


def documents_of(name: str, data: bytes) -> FileDocuments | FileError:
    """The documents, or what is wrong with the file."""
    try:
        return FileDocuments(name, read_file(name, data))
    except FileError as error:
        return error


def file_note(translate: Translator, file: FileDocuments, *, removable: bool) -> None:
    """Say which file counts; an upload has a button of its own to remove it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if file.documents:
            count = translate.count("documents", len(file.documents))
            st.success(translate("from_file", documents=count))
        if removable:
            st.button(translate("remove_file"), key="remove_file", on_click=remove_file)


def remove_file() -> None:
    """Go back to what was typed."""
    show_entry(replace(st.session_state.entry, file=None))
