"""The order before and after, as a picture."""

from __future__ import annotations

from typing import Any

import altair as alt

from qwen_rerank.server.page.shown import ShownRanking, places_risen, start_of
from qwen_rerank.server.page.translations import Translator

MOST = 20
"""Lines beyond this many are a thicket."""
COLOURS = ["#0f9d76", "#d9534f", "#9aa0ac"]
"""For what places_risen, fell and stayed; the table's arrows tell the same without colour."""
ROW, FRAME = 30, 70
"""Pixels: the height of a line, and of all that is not a line."""
BEFORE, AFTER, EDGES = 0.0, 1.0, [-0.08, 1.85]
"""Where the two orders stand; the room to the right of the new one is for the texts."""


def draw(shown: ShownRanking, translate: Translator) -> Any:
    """A line for each of the best documents, from its old place to its new one.

    Texts are drawn as glyphs: nothing in them can act as markup.
    """
    rows = shown.rows()[:MOST]
    points = alt.Chart(alt.InlineData(_ends(rows, translate)))
    base = points.encode(
        x=_sides(translate), y=_places(), color=_kinds(translate), detail="index:N"
    )
    layers = [base.mark_line(strokeWidth=2.5), base.mark_circle(size=280, opacity=1)]
    layers += [_numbers(base), _texts(base)]
    picture = alt.layer(*layers).properties(height=ROW * len(rows) + FRAME, width="container")
    return picture.configure_view(stroke=None)


def _ends(rows: list[dict[str, Any]], translate: Translator) -> list[dict[str, Any]]:
    """Two points a document. Old places are drawn close together, in their order."""
    order = {index: place for place, index in enumerate(sorted(row["index"] for row in rows), 1)}
    found = []
    for row in rows:
        same = {"index": row["index"], "kind": translate(_kind(row))}
        before = {"side": BEFORE, "place": order[row["index"]], "number": row["index"], "text": ""}
        after = {"side": AFTER, "place": row["rank"], "number": row["rank"]}
        found += [{**same, **before}, {**same, **after, "text": start_of(row["document"])}]
    return found


def _kind(row: dict[str, Any]) -> str:
    places = places_risen(row)
    if not places:
        return "stayed"
    return "rose" if places > 0 else "fell"


def _sides(translate: Translator) -> alt.X:
    names = f"datum.value == 0 ? '{translate('before')}' : '{translate('after')}'"
    axis = alt.Axis(
        orient="top", values=[BEFORE, AFTER], labelExpr=names, labelFontSize=13,
        domain=False, ticks=False, grid=False, labelPadding=6,
    )  # fmt: skip
    return alt.X("side:Q", title=None, axis=axis).scale(domain=EDGES, nice=False)


def _places() -> alt.Y:
    return alt.Y("place:Q", axis=None).scale(reverse=True, nice=False, zero=False, padding=16)


def _kinds(translate: Translator) -> alt.Color:
    kinds = [translate("rose"), translate("fell"), translate("stayed")]
    legend = alt.Legend(orient="bottom", title=None, symbolType="circle")
    return alt.Color("kind:N", legend=legend).scale(domain=kinds, range=COLOURS)


def _numbers(base: alt.Chart) -> Any:
    return base.mark_text(fontSize=11, fontWeight="bold").encode(
        text="number:N", color=alt.value("white")
    )


def _texts(base: alt.Chart) -> Any:
    """As much of each text as there is room for, on a phone as on a wide screen."""
    room = alt.expr("width * 0.4")
    return base.mark_text(align="left", dx=16, fontSize=12, limit=room).encode(
        text="text:N", color=alt.value("#6b7280")
    )
