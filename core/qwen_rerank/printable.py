"""Text from elsewhere, made safe for a terminal and a log."""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u2028-\u202e\u2066-\u2069"  # line separators, and what turns the direction of text
    "\ud800-\udfff]"  # halves of a character, which UTF-8 can't hold
)


def printable(text: str) -> str:
    r"""The text with control characters as escapes, such as `\u001b` for ESC.

    A terminal obeys them: they can clear it, or show another text than is there. The escapes
    are those of JSON, so that JSON stays the same value.
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, such as torch's, which adds pages; else its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
