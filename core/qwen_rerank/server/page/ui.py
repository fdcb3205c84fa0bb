"""The page itself: Streamlit runs this file from top to bottom at each click."""

from __future__ import annotations

from typing import cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from qwen_rerank.server.auth import admit_session, is_key
from qwen_rerank.server.examples import EN_DOCUMENTS, EN_QUERY
from qwen_rerank.server.page import command, current
from qwen_rerank.server.page.ask import ask, reason
from qwen_rerank.server.page.choice import Choice
from qwen_rerank.server.page.entry import entry
from qwen_rerank.server.page.judging import judge
from qwen_rerank.server.page.outcome import Outcome, arrow, rose, start_of
from qwen_rerank.server.page.picture import MOST, draw
from qwen_rerank.server.page.translations import LANGUAGES, Language, Words, language_of
from qwen_rerank.server.page.trend import trend
from qwen_rerank.server.service import Service

STYLE = "<style>.stMainBlockContainer {padding-top: 3rem; max-width: 52rem}</style>"
"""Less empty space at the top than Streamlit leaves, and a little more width."""
MOST_TEXTS = 50
"""Full texts to unfold; a browser holds no thousands of them."""


def page(service: Service) -> None:
    """Everything, top to bottom."""
    st.set_page_config("qwen-rerank", "🔎", layout="centered")
    st.html(STYLE)
    words, choice = side_panel(service)
    st.title(words("title"), anchor=False)
    st.caption(words("lead"))
    names = ["tab_page", "tab_api", *(["tab_trend"] if service.recorder else [])]
    trying, calling, *watching = st.tabs(list(map(words, names)))
    with trying:
        query, documents = entry(words)
        st.button(words("button"), type="primary", key="rerank", on_click=want, width="stretch")
        if st.session_state.get("wanted"):
            rank(service, words, query, documents, choice)
        if "outcome" in st.session_state:
            result(service, words, st.session_state.outcome)
    with calling:
        api(service, words, query, documents, choice)
    for tab in watching:
        with tab:
            in_use(service, words, choice)


def side_panel(service: Service) -> tuple[Words, Choice]:
    """Language and settings."""
    with st.sidebar:
        first = LANGUAGES.index(language_of(st.context.locale))
        chosen = st.radio(
            "语言 / Language", LANGUAGES, index=first, horizontal=True, key="language"
        )
        words = Words(cast("Language", chosen))
        st.subheader(words("settings"), anchor=False)
        top_n = st.number_input(words("top_n"), 0, service.settings.max_documents, key="top_n")
        instruction = st.text_area(
            words("instruction"), key="instruction", help=words("instruction_help"), max_chars=2000
        )
        may_ask = has_key(service, words)
        st.caption(words("model"))
        st.text(service.settings.model)
        if service.settings.model == "builtin":
            st.caption(words("builtin"))
    return words, Choice(int(top_n) or None, instruction.strip() or None, may_ask)


def has_key(service: Service, words: Words) -> bool:
    """Where the API asks for a key, the page does too."""
    key = service.settings.server_api_key
    if key is None:
        return True
    entered = is_key(st.text_input(words("key"), type="password", key="key"), key)
    context = get_script_run_ctx()
    if entered and context is not None:
        admit_session(context.session_id)
    return entered


def want() -> None:
    """Note the wish: a click that comes meanwhile ends the run, and the next one goes on."""
    st.session_state.wanted = True


def rank(service: Service, words: Words, query: str, documents: list[str], choice: Choice) -> None:
    """Ask, and keep the outcome for the runs to come."""
    st.session_state.pop("outcome", None)
    if name := missing(query, documents, choice):
        st.warning(words(name))
    else:
        try:
            with st.spinner(words("busy")):
                st.session_state.outcome = ask(service, query, documents, choice, is_wanted)
        except Exception as error:  # a model may raise anything
            st.error(words(reason(error, service)))
    st.session_state.wanted = False


def missing(query: str, documents: list[str], choice: Choice) -> str | None:
    """What is still to be entered, as one of the page's words."""
    if not choice.may_ask:
        return "need_key"
    if not query.strip():
        return "no_query"
    return None if documents else "no_documents"


def is_wanted() -> bool:
    """Whether somebody waits; Streamlit ends a run that is out of date where it looks here."""
    return bool(st.session_state.get("wanted"))


def result(service: Service, words: Words, outcome: Outcome) -> None:
    """The table, the downloads, the picture, the full texts, and a question."""
    st.subheader(words("result"), anchor=False)
    st.caption(
        words(
            "summary",
            count=len(outcome.documents),
            seconds=outcome.seconds,
            moved=outcome.moved,
        )
    )
    table(words, outcome)
    downloads(words, outcome)
    st.subheader(words("picture"), anchor=False)
    if len(outcome.results) > MOST:
        st.caption(words("picture_cut", count=MOST))
    st.altair_chart(draw(outcome, words), width="stretch")
    full_texts(words, outcome)
    judge(service, words, outcome)


def table(words: Words, outcome: Outcome) -> None:
    """One row a result; cells show text as text."""
    names = [words(name) for name in ("rank", "score", "change", "index", "start")]
    rows = [
        (row["rank"], row["score"], arrow(rose(row)), row["index"], start_of(row["document"]))
        for row in outcome.rows()
    ]
    bar = st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.4f", width=110)
    narrow = st.column_config.Column(width=50)
    st.dataframe(
        [dict(zip(names, row, strict=True)) for row in rows],
        hide_index=True,
        width="stretch",
        column_config={
            names[0]: narrow,
            names[1]: bar,
            names[2]: narrow,
            names[3]: narrow,
            names[4]: st.column_config.TextColumn(width="large"),
        },
    )


def downloads(words: Words, outcome: Outcome) -> None:
    """The result as files."""
    left, right = st.columns(2)
    left.download_button(
        words("csv"), outcome.as_csv(), "reranked.csv", "text/csv", width="stretch"
    )
    right.download_button(
        words("json"), outcome.as_json(), "reranked.json", "application/json", width="stretch"
    )


def full_texts(words: Words, outcome: Outcome) -> None:
    """Labels hold numbers only: Streamlit reads labels as Markdown."""
    st.subheader(words("full"), anchor=False)
    if len(outcome.results) > MOST_TEXTS:
        st.caption(words("full_cut", count=MOST_TEXTS))
    for row in outcome.rows()[:MOST_TEXTS]:
        with st.expander(words("full_label", **row)):
            st.text(row["document"])
            if row.get("truncated"):
                st.caption(words("truncated"))


def api(service: Service, words: Words, query: str, documents: list[str], choice: Choice) -> None:
    """What to type to get the same by REST."""
    address = (st.context.url or "http://localhost:8080").rstrip("/")
    key = service.settings.server_api_key is not None
    asked = documents or EN_DOCUMENTS
    st.write(words("api_lead"))
    shell = command.curl(address, query or EN_QUERY, asked, choice, key=key)
    st.code(shell, language="bash", wrap_lines=True)
    if len(asked) > command.MOST:
        st.caption(words("api_cut", count=command.MOST))
    st.write(words("api_compatible"))
    st.code(command.clients(address, key=key), language="python", wrap_lines=True)
    st.write(words("api_more"))


def in_use(service: Service, words: Words, choice: Choice) -> None:
    """The figures, for who may ask."""
    if choice.may_ask:
        trend(service, words)
    else:
        st.caption(words("need_key"))


if current.service is not None:
    page(current.service)
