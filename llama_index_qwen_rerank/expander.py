"""Further phrasings of a query from a LlamaIndex LLM."""

from __future__ import annotations

from dataclasses import dataclass

from llama_index.core.llms import LLM

PROMPT = (
    "Write {count} other ways to ask the question below, in its language, one on each line "
    "and nothing else.\n\nQuestion: {query}"
)


@dataclass(frozen=True, slots=True)
class LLMQueryExpander:
    """Asks an LLM for other phrasings; goes into `QwenRerank(query_expander=...)`.

    Args:
        llm: Any LlamaIndex LLM.
        count: How many phrasings to ask for.
        prompt: Holds `{count}` and `{query}`.
    """

    llm: LLM
    count: int = 3
    prompt: str = PROMPT

    def __call__(self, query: str) -> str:
        """The LLM's answer, a phrasing a line."""
        return self.llm.complete(self.prompt.format(count=self.count, query=query)).text
