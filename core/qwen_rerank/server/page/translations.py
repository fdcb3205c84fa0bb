"""The page's texts in the language of a visitor."""

from __future__ import annotations

from typing import Literal, get_args

from qwen_rerank.server.page.texts import TEXTS

Language = Literal["中文", "English"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
SHORT_NAMES = ("zh", "en")
"""Of the languages, for links."""


class Translator:
    """The page's texts in one language: `translate("query")`, with values for its braces."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._place = LANGUAGES.index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of this key."""
        return TEXTS[key][self._place].format(**values)

    def count(self, key: str, count: int, **values: object) -> str:
        """The text of this key for so many: English has a form for one."""
        return self(f"{key}_one" if count == 1 else key, count=count, **values)


def language_of(locale: str | None) -> Language:
    """Chinese for browsers that ask for it, English for all others."""
    return "中文" if (locale or "").lower().startswith("zh") else "English"
