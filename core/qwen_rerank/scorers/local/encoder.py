"""Turns a query and its documents into token ids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer

from qwen_rerank.errors import InvalidInputError, ModelLoadError
from qwen_rerank.prompt import PromptSpec
from qwen_rerank.types import RerankRequest

LEAST_WINDOW = 32
"""Tokens of a document; less room makes thousands of windows, each with the question before it."""


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """One query with its documents, as token ids.

    The prompt of document `i` is `prefix + documents[i]`.
    """

    prefix: list[int]
    """Everything up to the document marker: the same for every document."""
    documents: list[list[int]]
    """Each document's own tokens and the suffix."""
    truncated: frozenset[int]
    """Places of the documents that were cut."""
    counted: bool = True
    """Whether its documents count in reports; further windows of a long document do not."""

    def prompt_tokens(self, place: int) -> int:
        """How many tokens the whole prompt of a document has."""
        return len(self.prefix) + len(self.documents[place])


class PromptEncoder:
    """Builds the prompts of one model from its tokenizer and its `PromptSpec`.

    Safe to share between threads: the tokenizers are only read.

    Args:
        tokenizer: Of the model, without padding or truncation.
        spec: The words around query and document.
        max_positions: The longest prompt in tokens that the model was made for.
    """

    def __init__(self, tokenizer: Tokenizer, spec: PromptSpec, max_positions: int) -> None:
        self.spec = spec
        self.max_positions = max_positions
        self._tokenizer = tokenizer
        self._control = tuple(t.content for t in tokenizer.get_added_tokens_decoder().values())
        self._system = self._ids(spec.prefix)
        self._instruction_marker = self._ids(spec.instruction_marker)
        self._query_marker = self._ids(spec.query_marker)
        self._document_marker = self._ids(spec.document_marker)
        self.suffix = self._ids(spec.suffix)

    def encode(self, request: RerankRequest, max_length: int | None = None) -> EncodedQuery:
        """Tokenise one query and its documents.

        Documents are cut at their end to fit into `max_length` tokens, the whole prompt
        counted; instruction, query and suffix never are.

        Raises:
            InvalidInputError: Instruction and query leave no room for a document.
        """
        prefix = self.prefix(request.query, request.instruction)
        room = self._room(prefix, min(max_length or self.max_positions, self.max_positions))
        bodies = self.encode_texts([f" {document}" for document in request.documents])
        truncated = frozenset(i for i, body in enumerate(bodies) if len(body) > room)
        return EncodedQuery(prefix, [body[:room] + self.suffix for body in bodies], truncated)

    def encode_rest(
        self, request: RerankRequest, max_length: int, overlap: int
    ) -> tuple[EncodedQuery, list[int]]:
        """Tokenise what `encode` cuts off, in windows that fit.

        Each window shares one part in `overlap` of its tokens with the one before it; the
        last one ends where its document does.

        Returns:
            The windows as documents, and the place in `documents` that each came from.

        Raises:
            InvalidInputError: Instruction and query leave no room for a window of some length.
        """
        prefix = self.prefix(request.query, request.instruction)
        room = self._room(prefix, min(max_length, self.max_positions), LEAST_WINDOW)
        bodies = self.encode_texts([f" {document}" for document in request.documents])
        parts = [
            (i, body[start : start + room])
            for i, body in enumerate(bodies)
            for start in _starts(len(body), room, overlap)
        ]
        windows = [part + self.suffix for _, part in parts]
        encoded = EncodedQuery(prefix, windows, frozenset(), counted=False)
        return encoded, [i for i, _ in parts]

    def prefix(self, query: str, instruction: str | None = None) -> list[int]:
        """The tokens before a document: everything up to the document marker."""
        task, searched = self.encode_texts(
            [f" {instruction or self.spec.default_instruction}\n", f" {query}\n"]
        )
        return [
            *self._system,
            *self._instruction_marker,
            *task,
            *self._query_marker,
            *searched,
            *self._document_marker,
        ]

    def encode_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise user text, in which control tokens are text unless the spec says not."""
        batch = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in batch]
        if not self.spec.control_tokens_in_text:
            for place, text in enumerate(texts):
                if any(control in text for control in self._control):
                    ids[place] = self._inert.encode(text, add_special_tokens=False).ids
        return ids

    def _room(self, prefix: list[int], max_length: int, least: int = 1) -> int:
        room = max_length - len(prefix) - len(self.suffix)
        if room < least:
            wanted = "a document" if least == 1 else f"windows of at least {least} tokens"
            raise InvalidInputError(
                f"instruction and query with the prompt take {len(prefix) + len(self.suffix)} "
                f"tokens, which leaves no room for {wanted} within max_length={max_length}; "
                "shorten them or raise max_length"
            )
        return room

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    @cached_property
    def _inert(self) -> Tokenizer:
        """The same tokenizer without added tokens: built only if a text needs it."""
        tokenizer = json.loads(self._tokenizer.to_str())
        tokenizer["added_tokens"] = []
        return Tokenizer.from_str(json.dumps(tokenizer))


def _starts(length: int, room: int, overlap: int) -> list[int]:
    """Where the windows after the first one begin."""
    if length <= room:
        return []
    step = max(1, room - room // overlap)
    return [*range(step, length - room, step), length - room]


def answer_ids(tokenizer: Tokenizer, answers: tuple[str, str]) -> tuple[int, int]:
    """The token ids of "yes" and "no".

    Raises:
        ModelLoadError: One of them is not a single token of this tokenizer.
    """
    ids = [tokenizer.encode(word, add_special_tokens=False).ids for word in answers]
    for word, tokens in zip(answers, ids, strict=True):
        if len(tokens) != 1:
            raise ModelLoadError(
                f"the answer {word!r} must be one token of the model's tokenizer, it is {tokens}"
            )
    return ids[0][0], ids[1][0]
