"""The page itself: Streamlit runs this file from top to bottom at each click."""

from __future__ import annotations

from typing import cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from qwen_rerank.server.auth import admit_session, is_key
from qwen_rerank.server.examples import EN_DOCUMENTS, EN_QUERY
from qwen_rerank.server.page import command, current
from qwen_rerank.server.page.choice import Choice
from qwen_rerank.server.page.entry import entry
from qwen_rerank.server.page.feedback_form import feedback_form
from qwen_rerank.server.page.picture import MOST, draw
from qwen_rerank.server.page.request import error_key, rerank_for_page
from qwen_rerank.server.page.shown import ShownRanking, arrow, places_risen, start_of
from qwen_rerank.server.page.translations import LANGUAGES, Language, Translator, language_of
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
    translate, choice = side_panel(service)
    st.title(translate("title"), anchor=False)
    st.caption(translate("lead"))
    if not choice.may_ask:
        st.warning(translate("need_key"))
        return
    names = ["tab_page", "tab_api", *(["tab_trend"] if service.recorder else [])]
    trying, calling, *watching = st.tabs(list(map(translate, names)))
    with trying:
        query, documents = entry(translate)
        st.button(translate("button"), type="primary", key="rerank", on_click=want, width="stretch")
        if st.session_state.get("wanted"):
            rank(service, translate, query, documents, choice)
        if "shown" in st.session_state:
            result(service, translate, st.session_state.shown)
    with calling:
        api(service, translate, query, documents, choice)
    for tab in watching:
        with tab:
            in_use(service, translate, choice)


def side_panel(service: Service) -> tuple[Translator, Choice]:
    """Language and settings."""
    with st.sidebar:
        first = LANGUAGES.index(language_of(st.context.locale))
        chosen = st.radio(
            "语言 / Language", LANGUAGES, index=first, horizontal=True, key="language"
        )
        translate = Translator(cast("Language", chosen))
        st.subheader(translate("settings"), anchor=False)
        top_n = st.number_input(translate("top_n"), 0, service.settings.max_documents, key="top_n")
        instruction = st.text_area(
            translate("instruction"),
            key="instruction",
            help=translate("instruction_help"),
            max_chars=2000,
        )
        may_ask = has_key(service, translate)
        st.caption(translate("model"))
        st.text(service.settings.model)
        if service.settings.model == "builtin":
            st.caption(translate("builtin"))
    return translate, Choice(int(top_n) or None, instruction.strip() or None, may_ask)


def has_key(service: Service, translate: Translator) -> bool:
    """Whether the visitor may use the page; it needs the API's key if there is one."""
    key = service.settings.server_api_key
    if key is None:
        return True
    entered = is_key(st.text_input(translate("key"), type="password", key="key"), key)
    context = get_script_run_ctx()
    if entered and context is not None:
        admit_session(context.session_id)
    return entered


def want() -> None:
    """Remember the click: another click ends this run, and the next run reranks."""
    st.session_state.wanted = True


def rank(
    service: Service, translate: Translator, query: str, documents: list[str], choice: Choice
) -> None:
    """Rerank, and keep the result for later runs."""
    st.session_state.pop("shown", None)
    if name := missing(query, documents, choice):
        st.warning(translate(name))
    else:
        try:
            with st.spinner(translate("busy")):
                st.session_state.shown = rerank_for_page(
                    service, query, documents, choice, is_wanted
                )
        except Exception as error:  # a model may raise anything
            st.error(translate(error_key(error, service)))
    st.session_state.wanted = False


def missing(query: str, documents: list[str], choice: Choice) -> str | None:
    """The key of the text that tells what is still to be entered."""
    if not choice.may_ask:
        return "need_key"
    if not query.strip():
        return "no_query"
    return None if documents else "no_documents"


def is_wanted() -> bool:
    """Whether the click still counts; reading the state is where Streamlit ends an old run."""
    return bool(st.session_state.get("wanted"))


def result(service: Service, translate: Translator, shown: ShownRanking) -> None:
    """The table, the downloads, the picture, the full texts, and a question."""
    st.subheader(translate("result"), anchor=False)
    st.caption(
        translate(
            "summary",
            count=len(shown.documents),
            seconds=shown.seconds,
            moved=shown.moved,
        )
    )
    table(translate, shown)
    downloads(translate, shown)
    st.subheader(translate("picture"), anchor=False)
    if len(shown.results) > MOST:
        st.caption(translate("picture_cut", count=MOST))
    st.altair_chart(draw(shown, translate), width="stretch")
    full_texts(translate, shown)
    feedback_form(service, translate, shown)


def table(translate: Translator, shown: ShownRanking) -> None:
    """One row a result; cells show text as text."""
    names = [translate(name) for name in ("rank", "score", "change", "index", "start")]
    rows = [
        (
            row["rank"],
            row["score"],
            arrow(places_risen(row)),
            row["index"],
            start_of(row["document"]),
        )
        for row in shown.rows()
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


def downloads(translate: Translator, shown: ShownRanking) -> None:
    """The result as files."""
    left, right = st.columns(2)
    left.download_button(
        translate("csv"), shown.as_csv(), "reranked.csv", "text/csv", width="stretch"
    )
    right.download_button(
        translate("json"), shown.as_json(), "reranked.json", "application/json", width="stretch"
    )


def full_texts(translate: Translator, shown: ShownRanking) -> None:
    """Labels hold numbers only: Streamlit reads labels as Markdown."""
    st.subheader(translate("full"), anchor=False)
    if len(shown.results) > MOST_TEXTS:
        st.caption(translate("full_cut", count=MOST_TEXTS))
    for row in shown.rows()[:MOST_TEXTS]:
        with st.expander(translate("full_label", **row)):
            st.text(row["document"])
            if row.get("truncated"):
                st.caption(translate("truncated"))


def api(
    service: Service, translate: Translator, query: str, documents: list[str], choice: Choice
) -> None:
    """What to type to get the same by REST."""
    address = (st.context.url or "http://localhost:8080").rstrip("/")
    key = service.settings.server_api_key is not None
    asked = documents or EN_DOCUMENTS
    st.write(translate("api_lead"))
    shell = command.curl(address, query or EN_QUERY, asked, choice, key=key)
    st.code(shell, language="bash", wrap_lines=True)
    if len(asked) > command.MOST:
        st.caption(translate("api_cut", count=command.MOST))
    st.write(translate("api_compatible"))
    st.code(command.clients(address, key=key), language="python", wrap_lines=True)
    st.write(translate("api_more"))


def in_use(service: Service, translate: Translator, choice: Choice) -> None:
    """The figures, for who may ask."""
    if choice.may_ask:
        trend(service, translate)
    else:
        st.caption(translate("need_key"))


if current.service is not None:
    page(current.service)
