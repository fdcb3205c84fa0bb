"""Cuts the ends of documents that are longer than the server or a request allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from qwen_rerank.cutting import cut_to_bytes, cut_to_tokens
from qwen_rerank.errors import MissingDependencyError, ModelLoadError
from qwen_rerank.token_size import BYTES_PER_TOKEN

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Truncation:
    """How documents are cut.

    Args:
        model: Its tokenizer counts, if it is on this machine; else a token counts as 4 bytes.
        max_text: The most characters of a document.
    """

    model: str
    max_text: int

    def apply(
        self, documents: Sequence[str], max_tokens: int | None
    ) -> tuple[list[str], frozenset[int]]:
        """The documents, and the places of those that were cut.

        Args:
            documents: As the client sent them.
            max_tokens: The most tokens of a document; `None` leaves it to the model.
        """
        kept = [self._cut(text[: self.max_text], max_tokens) for text in documents]
        pairs = enumerate(zip(documents, kept, strict=True))
        return kept, frozenset(place for place, (text, start) in pairs if len(start) < len(text))

    def _cut(self, text: str, max_tokens: int | None) -> str:
        if max_tokens is None or len(text) * 4 < max_tokens:  # no token is shorter than a byte
            return text
        if self._tokenizer is None:
            return cut_to_bytes(text, max_tokens * BYTES_PER_TOKEN)
        return cut_to_tokens(text, max_tokens, self._tokenizer)

    @cached_property
    def _tokenizer(self) -> Tokenizer | None:
        from qwen_rerank.scorers.local.hub import find_model
        from qwen_rerank.scorers.local.model_folder import read_tokenizer

        try:
            return read_tokenizer(find_model(self.model, download=False))
        except (ModelLoadError, MissingDependencyError):
            return None
