"""The tab that shows what reranking did in use, day by day."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from qwen_rerank.errors import QwenRerankError
from qwen_rerank.feedback import DailyStatistics, Statistics
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.service import Service

READ_SECONDS = 5
"""Seconds to wait for the recorder, which does not wait for a slow file."""
TREND_HEIGHT = 250
MONTH_AND_DAY = "slice(datum.value, 5)"
LINE_COLOURS = {False: ["#5b4bdb", "#5f6672"], True: ["#a79df5", "#a9b0bd"]}
"""Of the lines, on light and on dark."""
RATES = (
    ("hit_rate", "hit_rate", "hit_rate_before"),
    ("adoption_rate", "adoption_rate", "adoption_rate_before"),
)
"""The key of the title above a picture, and the fields with and without reranking."""


def trend(service: Service, translate: Translator) -> None:
    """Rates with and without reranking, and latency, of the last 30 days."""
    if service.recorder is None:
        return
    coming = asyncio.run_coroutine_threadsafe(service.recorder.days(), service.loop)
    try:
        days = coming.result(READ_SECONDS)
    except (QwenRerankError, TimeoutError):
        st.error(translate("unreadable"))
        return
    if not days:
        st.info(translate("no_requests"))
        return
    st.caption(translate("trend_introduction"))
    summary(translate, together([day.statistics for day in days]))
    for title, *names in RATES:
        picture(translate(title), lines(days, translate, names), share=True)
    picture(translate("latency"), latencies(days), share=False)
    st.dataframe(table(days, translate), hide_index=True, width="stretch")


def together(many: Sequence[Statistics]) -> Statistics:
    """The sums of several days."""
    names = Statistics.__slots__
    return Statistics(*(sum(getattr(one, name) for one in many) for name in names))


def summary(translate: Translator, statistics: Statistics) -> None:
    """The rates of all days, beside those without reranking."""
    for place, (title, with_it, without) in zip(st.columns(2), RATES, strict=True):
        rate, before = percent(getattr(statistics, with_it)), getattr(statistics, without)
        beside = None if before is None else translate("without", rate=percent(before))
        place.metric(translate(title), rate, beside, delta_color="off", delta_arrow="off")


def percent(rate: float | None) -> str:
    """A rate for people; a dash where nothing is known."""
    return "–" if rate is None else f"{100 * rate:.0f} %"


def lines(
    days: Sequence[DailyStatistics], translate: Translator, names: Sequence[str]
) -> list[dict[str, Any]]:
    """A point for each day of which the rate is known."""
    sides = (translate("with_line"), translate("without_line"))
    points = [
        (day, side, getattr(day.statistics, name))
        for day in days
        for side, name in zip(sides, names, strict=True)
    ]
    return [
        {"day": day.day, "line": side, "value": rate}
        for day, side, rate in points
        if rate is not None
    ]


def latencies(days: Sequence[DailyStatistics]) -> list[dict[str, Any]]:
    """Milliseconds that half, and 95 in a hundred requests did not exceed."""
    points = [
        (day.day, line, seconds)
        for day in days
        for line, seconds in (("p50", day.median), ("p95", day.p95))
    ]
    return [
        {"day": day, "line": line, "value": 1000 * seconds}
        for day, line, seconds in points
        if seconds is not None
    ]


def picture(title: str, points: list[dict[str, Any]], *, share: bool) -> None:
    """A line for each kind of point; nothing where there are none."""
    if not points:
        return
    st.subheader(title, anchor=False)
    scale = alt.Scale(domain=[0, 1]) if share else alt.Scale(zero=True)
    axis = alt.Axis(format=".0%") if share else alt.Axis()
    names = list(dict.fromkeys(point["line"] for point in points))
    is_dark = st.context.theme.type == "dark"
    legend = alt.Legend(orient="bottom", title=None)
    drawn = (
        alt.Chart(alt.InlineData(points))
        .mark_line(point=True)
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=0, labelExpr=MONTH_AND_DAY)),
            y=alt.Y("value:Q", title=None, scale=scale, axis=axis),
            color=alt.Color("line:N", legend=legend).scale(
                domain=names, range=LINE_COLOURS[is_dark]
            ),
        )
    )
    drawn = drawn.properties(height=TREND_HEIGHT, width="container")
    st.altair_chart(drawn, width="stretch", alt=title)


def table(days: Sequence[DailyStatistics], translate: Translator) -> list[dict[str, Any]]:
    """The numbers behind the pictures, the newest day first."""
    return [
        {
            translate("day"): day.day,
            translate("requests"): day.statistics.requests,
            translate("judged"): day.statistics.judged,
            translate("hits"): day.statistics.hits,
            translate("hits_before"): day.statistics.hits_before,
            translate("answers"): day.statistics.answers,
            translate("taken"): day.statistics.adopted,
            "p50 ms": milliseconds(day.median),
            "p95 ms": milliseconds(day.p95),
        }
        for day in reversed(days)
    ]


def milliseconds(seconds: float | None) -> float | None:
    """Seconds as whole milliseconds with one digit more."""
    return None if seconds is None else round(1000 * seconds, 1)
