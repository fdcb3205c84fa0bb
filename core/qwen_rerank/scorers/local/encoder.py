"""Turns a query and its documents into token ids."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from tokenizers import Tokenizer

from qwen_rerank.errors import InvalidInputError, ModelLoadError
from qwen_rerank.prompt import DOCUMENT, Answer, PromptSpec
from qwen_rerank.types import RerankRequest

AnswerIds = tuple[int, int | None]
"""The token ids of an answer: what is added, and what is subtracted, if anything."""

LEAST_WINDOW = 32
"""Tokens of a document; less room would make thousands of windows, each with the query again."""


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """One query with its documents, as token ids.

    The prompt of document `i` is `prefix + documents[i]`.
    """

    prefix: list[int]
    """What is the same for every document; may be empty."""
    documents: list[list[int]]
    """Each document's own tokens and what follows it."""
    truncated: frozenset[int]
    """Places of the documents that were cut."""
    counted: bool = True
    """Whether its documents count in reports; further windows of a long document do not."""

    def prompt_tokens(self, place: int) -> int:
        """How many tokens the whole prompt of a document has."""
        return len(self.prefix) + len(self.documents[place])

    def unshared(self) -> EncodedQuery:
        """The same prompts without a prefix."""
        whole = [self.prefix + ids for ids in self.documents]
        return replace(self, prefix=[], documents=whole)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around the documents of one query."""

    prefix: list[int]
    document_prefix: str
    """What stands between the prefix and a document."""
    tail: str
    """What follows a document before the next control token."""
    tail_ids: list[int]
    """Its tokens where the document is cut; else document and tail are tokenised as one."""
    suffix: list[int]


class PromptEncoder:
    """Builds the prompts of one model from its tokenizer and its `PromptSpec`.

    The ids equal those of the whole string: a template is cut at control tokens, and before a
    space that stands before the document, where these tokenizers never merge. What lies before
    the last cut before the document is the prefix.

    Safe to share between threads: the tokenizers are only read.

    Args:
        tokenizer: Of the model, without padding or truncation.
        spec: The prompt.
        max_positions: The longest prompt in tokens that the model was made for.
    """

    def __init__(self, tokenizer: Tokenizer, spec: PromptSpec, max_positions: int) -> None:
        self.spec = spec
        self.max_positions = max_positions
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self._control = {token.content: number for number, token in added.items()}
        pieces = _split(spec.template, self._control)
        place = next(i for i, piece in enumerate(pieces) if DOCUMENT in piece)
        before, self._tail = pieces[place].split(DOCUMENT)
        shared, self._document_prefix = _cut_before_space(before)
        before_document, after = [*pieces[:place], shared], pieces[place + 1 :]
        self._before = [self._control.get(piece, piece) for piece in before_document]
        self._after = [self._control.get(piece, piece) for piece in after]

    def encode(self, request: RerankRequest, max_length: int | None = None) -> EncodedQuery:
        """Tokenise one query and its documents.

        Documents are cut at their end to fit into `max_length` tokens, the whole prompt
        counted; nothing else is.

        Raises:
            InvalidInputError: Instruction and query leave no room for a document.
            ConfigError: The prompt has no place for an instruction.
        """
        frame = self._frame(request.query, request.instruction)
        room = self._room(frame, max_length)
        texts = [frame.document_prefix + self.spec.document(text) for text in request.documents]
        bodies = self.encode_texts([text + frame.tail for text in texts])
        long = [i for i, body in enumerate(bodies) if len(body) > room + len(frame.tail_ids)]
        for i in long:
            alone = self.encode_texts([texts[i]])[0] if frame.tail else bodies[i]
            bodies[i] = alone[:room] + frame.tail_ids
        return EncodedQuery(frame.prefix, [body + frame.suffix for body in bodies], frozenset(long))

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
            ConfigError: The prompt has no place for an instruction.
        """
        frame = self._frame(request.query, request.instruction)
        room = self._room(frame, max_length, LEAST_WINDOW)
        bodies = self.encode_texts(
            [frame.document_prefix + self.spec.document(text) for text in request.documents]
        )
        parts = [
            (i, body[start : start + room])
            for i, body in enumerate(bodies)
            for start in _starts(len(body), room, overlap)
        ]
        windows = [part + frame.tail_ids + frame.suffix for _, part in parts]
        encoded = EncodedQuery(frame.prefix, windows, frozenset(), counted=False)
        return encoded, [i for i, _ in parts]

    def _frame(self, query: str, instruction: str | None) -> _Frame:
        texts = self.spec.texts(query, instruction)
        prefix, suffix = (self._join(pieces, texts) for pieces in (self._before, self._after))
        document_prefix, tail = self._document_prefix.format(**texts), self._tail.format(**texts)
        return _Frame(prefix, document_prefix, tail, self.encode_texts([tail])[0], suffix)

    def _join(self, pieces: Sequence[str | int], texts: Mapping[str, str]) -> list[int]:
        """The ids of pieces of the template: texts, and the numbers of control tokens."""
        written = [piece.format(**texts) for piece in pieces if isinstance(piece, str)]
        ids = iter(self.encode_texts(written))
        return [*chain.from_iterable(next(ids) if isinstance(p, str) else [p] for p in pieces)]

    def encode_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise user text, in which control tokens are text unless the spec says not."""
        batch = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in batch]
        if not self.spec.control_tokens_in_text:
            for place, text in enumerate(texts):
                if any(control in text for control in self._control):
                    ids[place] = self._inert.encode(text, add_special_tokens=False).ids
        return ids

    def _room(self, frame: _Frame, max_length: int | None, least: int = 1) -> int:
        """How many tokens of a document fit."""
        limit = min(max_length or self.max_positions, self.max_positions)
        taken = len(frame.prefix) + len(frame.tail_ids) + len(frame.suffix)
        room = limit - taken
        if room < least:
            wanted = "a document" if least == 1 else f"windows of at least {least} tokens"
            raise InvalidInputError(
                f"instruction and query with the prompt take {taken} tokens, which leaves "
                f"no room for {wanted} within max_length={limit}; shorten them or raise max_length"
            )
        return room

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


def answer_ids(tokenizer: Tokenizer, answer: Answer) -> AnswerIds:
    """The token ids of an answer's two texts; the second may be `None`.

    Raises:
        ModelLoadError: One of them is not a single token of this tokenizer.
    """
    plus = _answer_id(tokenizer, answer.plus)
    return plus, None if answer.minus is None else _answer_id(tokenizer, answer.minus)


def _answer_id(tokenizer: Tokenizer, text: str) -> int:
    tokens: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    if len(tokens) != 1:
        raise ModelLoadError(
            f"the answer {text!r} must be one token of the model's tokenizer, it is {tokens}"
        )
    return tokens[0]


def _split(template: str, control: Collection[str]) -> list[str]:
    """A template cut at its control tokens, which stand as pieces of their own."""
    if not control:
        return [template]
    return re.split(f"({'|'.join(map(re.escape, control))})", template)


def _cut_before_space(text: str) -> tuple[str, str]:
    """What stands before a document, cut where it may be cut; nothing may be shared."""
    shared = text.rstrip(" ")
    if shared == text or not shared or shared[-1].isspace() or shared[-1] == "}":
        return "", text  # a query may end in a space itself
    return shared, text[len(shared) :]
