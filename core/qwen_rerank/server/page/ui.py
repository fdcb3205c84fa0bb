"""The page itself: Streamlit runs this file from top to bottom at each click."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import streamlit as st

from qwen_rerank.server.page import current
from qwen_rerank.server.page.access import is_admitted
from qwen_rerank.server.page.api_tab import api_tab
from qwen_rerank.server.page.browser import in_browser
from qwen_rerank.server.page.choice import PageRequest
from qwen_rerank.server.page.entry import Entry, enter
from qwen_rerank.server.page.link import link_of, open_link
from qwen_rerank.server.page.panel import choose_language, settings_panel
from qwen_rerank.server.page.request import explanation, rerank_for_page
from qwen_rerank.server.page.result import result
from qwen_rerank.server.page.translations import Translator, language_of
from qwen_rerank.server.page.trend import trend
from qwen_rerank.server.page.visit import history, keep
from qwen_rerank.server.service import Service

STYLE = Path(__file__).with_name("style.css")


def page(service: Service) -> None:
    """Everything, top to bottom."""
    open_link(service.settings.max_documents)
    translate = choose_language()
    st.set_page_config(translate("page_title"), "🔎", layout="centered")
    st.html(STYLE)
    st.title(translate("title"), anchor=False)
    st.caption(translate("introduction"))
    link = ""
    if is_admitted(service, translate):
        link = tabs(service, translate)
    in_browser(
        language=translate("html_language"),
        link=link,
        outcome=st.session_state.get("outcomes", 0),
    )


def tabs(service: Service, translate: Translator) -> str:
    """What a visitor may use who knows the key; gives the link to what is entered."""
    choice = settings_panel(service, current.other, translate)
    names = ["tab_page", "tab_api", *(["tab_trend"] if service.recorder else [])]
    trying, calling, *watching = st.tabs(list(map(translate, names)))
    with trying:
        entry = enter(translate)
        request = PageRequest(entry.query, entry.documents, choice)
        by_hand = translate.language != language_of(st.context.locale)
        link, is_whole = link_of(entry, choice, translate.language if by_hand else None)
        if not is_whole:
            st.caption(translate("link_too_long"))
        st.button(
            translate("button"), type="primary", key="rerank", on_click=want,
            shortcut="Ctrl+Enter", width="stretch",
        )  # fmt: skip
        with st.container(key="outcome"):
            outcome(service, translate, entry, request)
    with calling:
        api_tab(service, translate, request)
    for tab in watching:
        with tab:
            trend(service, translate)
    return link


def want() -> None:
    """Remember the click: another click ends this run, and the next run reranks."""
    st.session_state.wanted = True


def is_wanted() -> bool:
    """Whether the click still counts; reading the state is where Streamlit ends an old run."""
    return bool(st.session_state.get("wanted"))


def outcome(service: Service, translate: Translator, entry: Entry, request: PageRequest) -> None:
    """The result of a click if there was one, and of this visit's clicks before."""
    if is_wanted():
        rank(service, translate, entry, request)
    if "shown" in st.session_state:
        history(translate)
        result(service, translate, st.session_state.shown, request)


def rank(service: Service, translate: Translator, entry: Entry, request: PageRequest) -> None:
    """Rerank, and keep the result for later runs."""
    if name := missing(request):
        st.warning(translate(name))
    else:
        try:
            with st.spinner(translate("busy" if service.loaded.is_set() else "loading")):
                rankings = rerank_for_page(service, current.other, request, is_wanted)
            keep(entry, request, rankings, local_time())
        except Exception as error:  # a model may raise anything
            happened, message = explanation(error, service, request, translate)
            st.error(message, title=happened)
    st.session_state.outcomes = st.session_state.get("outcomes", 0) + 1
    st.session_state.wanted = False


def missing(request: PageRequest) -> str | None:
    """The key of the text that tells what is still to be entered."""
    if not request.query.strip():
        return "no_query"
    return None if request.documents else "no_documents"


def local_time() -> str:
    """The visitor's time of day."""
    zone = ZoneInfo(st.context.timezone) if st.context.timezone else dt.UTC
    return dt.datetime.now(zone).strftime("%H:%M:%S")


if current.service is not None:
    page(current.service)
