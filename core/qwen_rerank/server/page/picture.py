"""The order before and after, as a picture."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd  # noqa: F401 - else two first visitors at once draw when it is half imported

from qwen_rerank.server.page.shown import Row, start_of
from qwen_rerank.server.page.translations import Translator

MOST = 50
"""Lines beyond this many are a thicket."""
COLOURS = {False: ["#0b7a5c", "#c2332f", "#5f6672"], True: ["#3ecf9f", "#ff8f8a", "#a9b0bd"]}
"""For what rose, fell and stayed, on light and on dark; arrows in the list tell the same."""
INK = {False: ("#ffffff", "#111110"), True: ("#171614", "#edebe8")}
"""For the numbers in the circles, and for all other texts."""
TALL, LOW, FEW = 34, 17, 12
"""Pixels between two lines: so many up to a few documents, fewer where there are more."""
FRAME = 72
"""Pixels for the names above and the legend below, which Streamlit counts as height."""
BEFORE, AFTER, EDGES = 0.0, 1.0, [-0.08, 1.85]
"""Where the two orders stand; the room to the right of the new one is for the texts."""


def draw(rows: list[Row], translate: Translator, names: tuple[str, str], *, is_dark: bool) -> Any:
    """A line for each document, from its old place to its new one.

    Texts are drawn as glyphs: nothing in them can act as markup.

    Args:
        rows: The documents, best first.
        translate: The page's texts.
        names: Of the two orders.
        is_dark: Whether the page is dark.
    """
    height = line_height(len(rows))
    points = alt.Chart(alt.InlineData(_ends(rows, translate)))
    base = points.encode(
        x=_sides(names, is_dark), y=_places(len(rows)), color=_kinds(translate, is_dark),
        detail="index:N",
    )  # fmt: skip
    size = min(280, (height - 1) ** 2)
    layers = [base.mark_line(strokeWidth=2.5), base.mark_circle(size=size, opacity=1)]
    layers += [_numbers(base, is_dark), _texts(base, is_dark)]
    picture = alt.layer(*layers).properties(height=FRAME + height * len(rows), width="container")
    return picture.configure_view(stroke=None)


def line_height(count: int) -> int:
    """Pixels between two lines, so that few are easy to read and many fit a screen."""
    return max(LOW, TALL - max(0, count - FEW))


def text_of(rows: list[Row], translate: Translator) -> str:
    """The picture in words, for those who can't see it."""
    kinds = [_kind(row) for row in rows]
    counts = {kind: kinds.count(kind) for kind in ("rose", "fell", "stayed")}
    places = ", ".join(f"{row.before} → {row.place}" for row in rows)
    return translate("picture_text", places=places, **counts)


def _ends(rows: list[Row], translate: Translator) -> list[dict[str, Any]]:
    """Two points a document. Both orders are drawn without gaps; the numbers are the places."""
    order = {row.before: line for line, row in enumerate(sorted(rows, key=_before), 1)}
    found = []
    for line, row in enumerate(rows, start=1):
        same = {"index": row.before, "kind": translate(_kind(row))}
        before = {"side": BEFORE, "line": order[row.before], "number": row.before, "text": ""}
        after = {"side": AFTER, "line": line, "number": row.place}
        found += [{**same, **before}, {**same, **after, "text": start_of(row.document)}]
    return found


def _before(row: Row) -> int:
    return row.before


def _kind(row: Row) -> str:
    if not row.risen:
        return "stayed"
    return "rose" if row.risen > 0 else "fell"


def _sides(names: tuple[str, str], is_dark: bool) -> alt.X:
    axis = alt.Axis(
        orient="top", values=[BEFORE, AFTER], labelFontSize=13, labelColor=INK[is_dark][1],
        labelExpr=f"datum.value == 0 ? '{names[0]}' : '{names[1]}'",
        domain=False, ticks=False, grid=False, labelPadding=6,
    )  # fmt: skip
    return alt.X("side:Q", title=None, axis=axis).scale(domain=EDGES, nice=False)


def _places(count: int) -> alt.Y:
    """Half a line above the first place and below the last, however few there are."""
    scale = alt.Scale(domain=[0.5, count + 0.5], reverse=True, nice=False, zero=False)
    return alt.Y("line:Q", axis=None, scale=scale)


def _kinds(translate: Translator, is_dark: bool) -> alt.Color:
    kinds = [translate("rose"), translate("fell"), translate("stayed")]
    legend = alt.Legend(
        orient="bottom", title=None, symbolType="circle", labelColor=INK[is_dark][1]
    )
    return alt.Color("kind:N", legend=legend).scale(domain=kinds, range=COLOURS[is_dark])


def _numbers(base: alt.Chart, is_dark: bool) -> Any:
    return base.mark_text(fontSize=11, fontWeight="bold").encode(
        text="number:N", color=alt.value(INK[is_dark][0])
    )


def _texts(base: alt.Chart, is_dark: bool) -> Any:
    """As much of each text as there is room for, on a phone as on a wide screen."""
    room = alt.expr("width * 0.4")
    return base.mark_text(align="left", dx=16, fontSize=12, limit=room).encode(
        text="text:N", color=alt.value(INK[is_dark][1])
    )
