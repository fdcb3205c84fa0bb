"""The prompts of published rerankers that answer by the logits of one or two tokens.

Each is known from its authors' own code or card, named below.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from qwen_rerank.errors import ConfigError
from qwen_rerank.prompt import QWEN3, Answer, PromptSpec
from qwen_rerank.prompt_file import read_prompt

R3 = PromptSpec(
    default_instruction="Given a user request, retrieve the agent skill that solves it."
)
"""Tencent R3-rerank: Qwen3-Reranker trained on for agent skills.

Source: `RR_INSTRUCT` in `infer.py` of github.com/Tencent/R3-Skill. No source shows the template: it
is taken from the base model.
"""

ZERANK = PromptSpec(
    template="<|im_start|>system\n{query}<|im_end|>\n<|im_start|>user\n{document}<|im_end|>\n"
    "<|im_start|>assistant\n",
    answer=Answer("Yes", None, 1 / 5),
    default_instruction="",
    strip=True,
)
"""zerank-1, zerank-1-small and zerank-2 of ZeroEntropy.

Source: `modeling_zeranker.py` in zeroentropy/zerank-1 and -2, on Hugging Face.
"""

PRISM = PromptSpec(
    template="<|im_start|>system\nJudge whether the Document meets the requirements based on the "
    "Query and the Instruct provided. <|im_end|>\n<|im_start|>user\n"
    '<Instruct>: Judge if the document is relevant to the query. Reply "yes" or "no".\n'
    'On "yes", also emit:\n'
    "<contribution>One sentence covering every core point the document contributes to the query, "
    "without elaboration.</contribution>\n"
    "<evidence>Self-contained rewrite of the query-relevant content. Rules:\n"
    "- Faithful: rephrase only; add or infer nothing.\n"
    "- Self-contained: evidence alone must fully answer the query.\n"
    "- Concise: drop query-irrelevant background.\n"
    "- Verbatim (no translation): proper nouns, terms, abbreviations, numbers, dates, code, URLs.\n"
    "- Output language: multilingual doc → query's language; else doc's language.</evidence>\n"
    "<Query>: {query}\n<Document>: {document}<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n",
    default_instruction="",
)
"""Prism-Qwen3.5-Reranker and Prism-Qwen3-Reranker; their instruction was the same in training.

Source: `shared/prompts.py` and `shared/templates/reranker_raw.j2` of
github.com/DunZhang/PrismRerankerV1.
"""

CTXL = PromptSpec(
    template="Check whether a given document contains information helpful to answer the query.\n"
    "<Document> {document}\n<Query> {query}{instruction} ??",
    answer=Answer("!", None),
    default_instruction="",
    instruction_prefix=" ",
)
"""ctxl-rerank-v2-instruct-multilingual of Contextual AI: the logit of token 0, which is "!".

Source: `infer_w_hf` in the model card of ContextualAI/ctxl-rerank-v2-instruct-multilingual-1b.
"""

FAMILIES = MappingProxyType(
    {"qwen3": QWEN3, "r3": R3, "zerank": ZERANK, "prism": PRISM, "ctxl": CTXL}
)
"""By the names that the setting `prompt` takes."""

_NAMES = {
    "r3": "r3-rerank",
    "zerank": "zerank",
    "prism": "prism-qwen3",
    "ctxl": "ctxl-rerank-v2",
    "qwen3": "qwen3-reranker",
}
"""What the names of the published models hold, in lower case; the first that fits counts."""


def prompt_of(value: object) -> object:
    """The prompt that a text names: a family's, or the one in a JSON file; else what came.

    Raises:
        ConfigError: There is no such family, or no such prompt in the file.
    """
    if not isinstance(value, str):
        return value
    if value.endswith(".json"):
        return read_prompt(Path(value))
    if value not in FAMILIES:
        names = ", ".join(FAMILIES)
        raise ConfigError(f"prompt must be one of {names}, or a file *.json, got {value!r}")
    return FAMILIES[value]


def family_of(name: str) -> PromptSpec | None:
    """The prompt of the family that a model's name tells, if it tells one."""
    for family, part in _NAMES.items():
        if part in name.lower():
            return FAMILIES[family]
    return None
