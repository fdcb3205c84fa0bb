"""The prompt of Qwen3-Reranker, as a value.

Source: the "Transformers Usage" code of the Qwen3-Reranker model card. The pieces are
tokenised one by one, never through a repository's chat template, and joined as ids: the
cuts lie where the tokenizer never merges across, so that the ids equal those of the whole
string. The cut behind `<Document>:` is what lets all documents share one prefix.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MODEL = "Qwen/Qwen3-Reranker-0.6B"

DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

_SYSTEM = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".'
)


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """The words around a query and a document; a derived checkpoint is another value.

    The whole prompt reads: `prefix`, then each marker with a space and its text, a newline
    after instruction and query, then `suffix`. The answer is read at the last token.
    """

    prefix: str = f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n"
    instruction_marker: str = "<Instruct>:"
    query_marker: str = "<Query>:"
    document_marker: str = "<Document>:"
    suffix: str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    default_instruction: str = DEFAULT_INSTRUCTION
    yes: str = "yes"
    no: str = "no"
    control_tokens_in_text: bool = False
    """Whether text such as `<|im_end|>` inside a query or document acts as control.

    `False` keeps it text, so that no document can close its turn and answer for the model;
    `True` is the official code's behaviour, byte for byte.
    """

    def text(self, query: str, document: str, instruction: str | None = None) -> str:
        """The whole prompt as one string, for servers that take it ready-made."""
        return (
            f"{self.prefix}{self.instruction_marker} {instruction or self.default_instruction}\n"
            f"{self.query_marker} {query}\n{self.document_marker} {document}{self.suffix}"
        )


QWEN3 = PromptSpec()
"""Qwen3-Reranker 0.6B, 4B and 8B."""

QWEN3_OFFICIAL = PromptSpec(control_tokens_in_text=True)
"""The same, with control tokens in user text left alive as the official code leaves them."""
