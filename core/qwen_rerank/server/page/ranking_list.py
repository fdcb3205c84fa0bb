"""The list of a ranking: a row unfolds to the whole text."""

from __future__ import annotations

from html import escape

import streamlit as st

from qwen_rerank.server.page.feedback_form import judge
from qwen_rerank.server.page.shown import Row, ShownRanking, arrow, as_code, start_of
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.service import Service

ROWS = 20
"""Rows on a page: a browser holds no thousands of long texts."""
COLUMNS = ("rank", "score", "moved_column", "before", "start")


def ranking_list(
    service: Service,
    translate: Translator,
    ranking: ShownRanking,
    name: str,
    threshold: float,
    *,
    judged: bool,
) -> None:
    """One row a document, best first.

    Args:
        service: Takes the feedback.
        translate: The page's texts.
        ranking: What is shown.
        name: Tells this list from others, for the keys of its parts.
        threshold: Rows with lower scores are left out.
        judged: Whether visitors can say which rows are relevant.
    """
    rows = ranking.rows(threshold)
    with st.container(key=f"list-{name}", gap="xsmall"):
        heads = "".join(f"<span>{escape(translate(column))}</span>" for column in COLUMNS)
        kind = "list-head judged" if judged else "list-head"
        st.html(f'<div class="{kind}">{heads}</div>')
        first = ROWS * (st.session_state.get(f"page-{name}", 1) - 1)
        shown = rows[first : first + ROWS] or rows[:ROWS]
        st.html(bars(shown, name))
        for row in shown:
            with st.container(horizontal=True, gap="small", vertical_alignment="top"):
                one_row(translate, row, key(row, name))
                if judged:
                    judge(service, translate, ranking, row)
        if len(rows) > ROWS:
            st.pagination(-(-len(rows) // ROWS), key=f"page-{name}")


def one_row(translate: Translator, row: Row, name: str) -> None:
    """A row: rank, score, movement, place before, and the text's start; unfolded, all of it."""
    with st.expander(label(row), key=name):
        st.text(row.document)
        if row.result.truncated:
            st.caption(translate("truncated"))
        if row.result.not_reranked:
            st.caption(translate("no_score"))
            st.text(row.result.not_reranked)
        if row.result.fallback:
            st.caption(translate("fallback_reason"))
            st.text(row.result.fallback)


def label(row: Row) -> str:
    """Each part has markup of its own, by which the style puts it into its column."""
    score = "–" if row.result.score is None else f"{row.result.score:.3f}"
    start = as_code(start_of(row.document))
    return f"**{row.place}** `{score}` *{arrow(row.risen)}* ~~{row.before}~~ {start}"


def bars(rows: list[Row], name: str) -> str:
    """The widths of the bars behind the scores."""
    widths = ((key(row, name), row.result.score or 0.0) for row in rows)
    rules = (f".st-key-{one} {{ --score: {100 * score:.1f}%}}" for one, score in widths)
    return f"<style>{' '.join(rules)}</style>"


def key(row: Row, name: str) -> str:
    """The name of a row, in the style as well."""
    return f"row-{name}-{row.result.index}"
