"""A result: which query it answers, the list, the downloads and the picture."""

from __future__ import annotations

import streamlit as st

from qwen_rerank.scorers.local.hub import BUILTIN
from qwen_rerank.server.page.choice import PageRequest
from qwen_rerank.server.page.feedback_form import feedback_form
from qwen_rerank.server.page.picture import MOST, draw, text_of
from qwen_rerank.server.page.ranking_list import ranking_list
from qwen_rerank.server.page.shown import Row, ShownRanking, ShownResult, as_code
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.service import Service


def result(
    service: Service, translate: Translator, shown: ShownResult, request: PageRequest
) -> None:
    """One ranking, or two side by side."""
    first = shown.rankings[0]
    heading = translate("result", query=as_code(first.query))
    st.subheader(heading, anchor=False)
    if shown.request != request:
        st.warning(translate("out_of_date"), icon=":material/update:")
    threshold = st.slider(
        translate("threshold"), 0.0, 1.0, step=0.01, key="threshold",
        help=translate("threshold_help"),
    )  # fmt: skip
    if len(shown.rankings) == 1:
        single(service, translate, shown, threshold)
    else:
        side_by_side(service, translate, shown, threshold)


def single(service: Service, translate: Translator, shown: ShownResult, threshold: float) -> None:
    """A ranking with all that belongs to it."""
    [ranking] = shown.rankings
    summary(translate, ranking, threshold)
    judged = service.recorder is not None
    ranking_list(service, translate, ranking, f"{shown.number}-1", threshold, judged=judged)
    feedback_form(service, translate, ranking)
    downloads(translate, ranking)
    picture(translate, ranking.rows(threshold), "before", "after")


def side_by_side(
    service: Service, translate: Translator, shown: ShownResult, threshold: float
) -> None:
    """Two rankings side by side, and how the places changed between them."""
    for number, (place, ranking) in enumerate(
        zip(st.columns(2, gap="medium"), shown.rankings, strict=True), start=1
    ):
        with place:
            st.markdown(
                f"**{translate(f'side_{number}')}** {difference(translate, shown, ranking)}"
            )
            summary(translate, ranking, threshold)
            name = f"{shown.number}-{number}"
            ranking_list(service, translate, ranking, name, threshold, judged=False)
    picture(translate, shown.changed(), "side_1", "side_2")


def difference(translate: Translator, shown: ShownResult, ranking: ShownRanking) -> str:
    """What tells this ranking from the other one."""
    if shown.request.choice.comparison == "model":
        return as_code(ranking.model)
    return as_code(ranking.instruction) if ranking.instruction else translate("own_instruction")


def summary(translate: Translator, ranking: ShownRanking, threshold: float) -> None:
    """Numbers, and what a reader has to know about them."""
    size = translate.count("documents", len(ranking.documents))
    parts = [translate("summary", documents=size, seconds=ranking.seconds)]
    parts.append(translate("moved", count=ranking.moved))
    if threshold:
        passing = len(ranking.rows(threshold))
        parts.append(translate("passing", count=passing, threshold=threshold))
    st.caption(translate("between").join(parts))
    if ranking.model == BUILTIN:
        st.info(translate("builtin"), icon=":material/info:")
    if ranking.results and all(one.score is None for one in ranking.results):
        st.warning(translate("not_reranked"))
    if any(one.fallback for one in ranking.results):
        st.warning(translate("fallback"))


def downloads(translate: Translator, ranking: ShownRanking) -> None:
    """The whole result as files, made when they are asked for."""
    with st.container(horizontal=True):
        for key, make, name, kind in (
            ("csv", ranking.as_csv, "reranked.csv", "text/csv"),
            ("json", ranking.as_json, "reranked.json", "application/json"),
        ):
            st.download_button(
                translate(key), make, name, kind, key=key,
                on_click="ignore", icon=":material/download:",
            )  # fmt: skip


def picture(translate: Translator, rows: list[Row], before: str, after: str) -> None:
    """The two orders as a picture, which texts tell those who can't see it."""
    if not rows:
        return
    st.subheader(translate("picture"), anchor=False)
    if len(rows) > MOST:
        st.caption(translate("picture_cut", count=MOST))
    names = (translate(before), translate(after))
    is_dark = st.context.theme.type == "dark"
    drawn = draw(rows[:MOST], translate, names, is_dark=is_dark)
    st.altair_chart(drawn, width="stretch", alt=text_of(rows[:MOST], translate))
