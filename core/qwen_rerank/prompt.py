"""A reranker's prompt and how its answer becomes a score, as one value.

A prompt is one template. Its pieces are tokenised one by one, never through a repository's chat
template, and joined as ids, equal to those of the whole string: `scorers/local/encoder.py` says
where it is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import ClassVar

from pydantic import ConfigDict

from qwen_rerank.errors import ConfigError

DEFAULT_MODEL = "Qwen/Qwen3-Reranker-0.6B"

DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

DOCUMENT, INSTRUCTION = "{document}", "{instruction}"

_QWEN3_TEMPLATE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)

_NO_OTHERS = ConfigDict(extra="forbid")
"""For prompts that are read from a file."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How the logits at the prompt's last token become a score.

    The score is `sigmoid(scale * (logit of plus - logit of minus))`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _NO_OTHERS

    plus: str = "yes"
    """A text of one token, which means that the document is relevant."""
    minus: str | None = "no"
    """A text of one token, which means that it is not; `None` takes the logit of `plus` alone."""
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """What is written around a query and a document; a derived checkpoint is another value.

    Raises:
        ConfigError: The template has other placeholders than it must have.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _NO_OTHERS

    template: str = _QWEN3_TEMPLATE
    """The whole prompt with `{query}` and `{document}`, and `{instruction}` if the model knows
    one; a brace that is text is doubled."""
    answer: Answer = Answer()
    default_instruction: str = DEFAULT_INSTRUCTION
    """What is written where no instruction is given; may be empty."""
    instruction_prefix: str = ""
    """What is written before a given instruction."""
    strip: bool = False
    """Whether query and document lose white space at both ends."""
    control_tokens_in_text: bool = False
    """Whether text such as `<|im_end|>` inside a query or document acts as control.

    `False` keeps it text, so that no document can close its turn and answer for the model;
    `True` is the official code's behaviour, byte for byte.
    """

    def __post_init__(self) -> None:
        found = _placeholders(self.template)
        extra = set(found) - {"query", "document", "instruction"}
        if extra or "query" not in found or self.template.count(DOCUMENT) != 1:
            raise ConfigError(
                "a prompt's template must hold {query}, {document} once, and {instruction} if "
                f"the model takes one; it holds {found}"
            )

    def texts(self, query: str, instruction: str | None = None) -> dict[str, str]:
        """What stands in place of `{query}` and `{instruction}`.

        Raises:
            ConfigError: There is an instruction, and the prompt has no place for it.
        """
        if instruction is None:
            written = self.default_instruction
        elif INSTRUCTION in self.template:
            written = self.instruction_prefix + instruction
        else:
            raise ConfigError("this model's prompt has no place for an instruction; leave it out")
        return {"query": query.strip() if self.strip else query, "instruction": written}

    def document(self, text: str) -> str:
        """What stands in place of `{document}`."""
        return text.strip() if self.strip else text

    def text(self, query: str, document: str, instruction: str | None = None) -> str:
        """The whole prompt as one string, for servers that take it ready-made."""
        texts = self.texts(query, instruction)
        return self.template.format(document=self.document(document), **texts)


def _placeholders(template: str) -> list[str]:
    try:
        return [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ConfigError(f"a prompt's template can't be read: {error}") from error


QWEN3 = PromptSpec()
"""Qwen3-Reranker 0.6B, 4B and 8B. Source: "Transformers Usage" in their model cards."""

QWEN3_OFFICIAL = PromptSpec(control_tokens_in_text=True)
"""The same, with control tokens in user text left alive as the official code leaves them."""
