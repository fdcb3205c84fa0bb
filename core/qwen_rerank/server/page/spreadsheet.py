"""Texts as cells of a spreadsheet."""

from __future__ import annotations

import unicodedata

_FORMULA = frozenset("=+-@\N{MINUS SIGN}")
_LINE = ("\t", "\r", "\n")


def as_cell(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet could run it as a formula.

    Spreadsheets skip what nobody sees at the start, such as a no-break space or a zero-width
    one, and some take full-width signs for plain ones.
    """
    first = next((sign for sign in text if unicodedata.category(sign)[0] not in "CZ"), "")
    is_formula = unicodedata.normalize("NFKC", first) in _FORMULA
    return f"'{text}" if is_formula or text.startswith(_LINE) else text
