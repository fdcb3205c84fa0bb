"""Applies Qwen3's template on this side, for servers that apply none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qwen_rerank.cutting import cut_to_tokens
from qwen_rerank.prompt import DOCUMENT, PromptSpec
from qwen_rerank.types import RerankRequest

_CONTROL = re.compile(r"<(?=\|\w+\|>|/?(?:think|tool_call|tool_response)>)")
"""Starts what a server's tokenizer would take for a control token."""


@dataclass(frozen=True)
class ClientTemplate:
    """Wraps a request so that the server only has to join query and document.

    The joined text equals `PromptSpec.text` byte for byte. Documents are cut to
    `max_length` tokens before, if the model's tokenizer is at hand: a server that cuts
    would cut the template's end. Without a tokenizer nothing is cut.
    """

    prompt: PromptSpec
    model: str
    max_length: int

    def __call__(self, request: RerankRequest) -> tuple[RerankRequest, frozenset[int]]:
        """The wrapped request, and the places of the documents that were cut."""
        texts = self.prompt.texts(request.query, request.instruction)
        texts = {name: self._inert(text) for name, text in texts.items()}
        before, after = (part.format(**texts) for part in self.prompt.template.split(DOCUMENT))
        query, line_break, document_prefix = before.rpartition("\n")
        cut = self._cutter(before, after)
        bodies = [cut(self._inert(self.prompt.document(text))) for text in request.documents]
        documents = [f"{document_prefix}{body}{after}" for body, _ in bodies]
        wrapped = replace(request, query=query + line_break, documents=documents, instruction=None)
        return wrapped, frozenset(place for place, (_, was_cut) in enumerate(bodies) if was_cut)

    def _inert(self, text: str) -> str:
        """User text whose control tokens are text: a space breaks them.

        Over HTTP the server tokenises, so that this is the only way to defuse them.
        """
        return text if self.prompt.control_tokens_in_text else _CONTROL.sub("< ", text)

    def _cutter(self, before: str, after: str) -> Callable[[str], tuple[str, bool]]:
        tokenizer = self._tokenizer
        if tokenizer is None:
            return lambda text: (text, False)
        around = before.removesuffix(" ") + after
        room = max(1, self.max_length - len(tokenizer.encode(around, add_special_tokens=False)))

        def cut(text: str) -> tuple[str, bool]:
            start = cut_to_tokens(text, room, tokenizer)
            return start, len(start) < len(text)

        return cut

    @cached_property
    def _tokenizer(self) -> Any:
        """The model's tokenizer, if it is on this machine."""
        path = _tokenizer_file(self.model)
        if path is None or find_spec("tokenizers") is None:
            return None
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        return tokenizer


def _tokenizer_file(model: str) -> Path | None:
    path = Path(model) / "tokenizer.json"
    if path.is_file():
        return path
    if find_spec("huggingface_hub") is None or not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", model):
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, "tokenizer.json")
    return Path(found) if isinstance(found, str) else None
