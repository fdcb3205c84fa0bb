"""Which family of rerankers a model folder belongs to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from qwen_rerank.families import FAMILIES, family_of
from qwen_rerank.prompt import QWEN3, PromptSpec
from qwen_rerank.scorers.local.declared_scoring import read_logit_score, token_text
from qwen_rerank.scorers.local.model_folder import read_config


def recognised_prompt(folder: Path, name: str, tokenizer: Callable[[], Tokenizer]) -> PromptSpec:
    """The prompt that a model was made for.

    The name tells it, or the one that `config.json` remembers; else the tokens that
    sentence-transformers' modules name; else it is Qwen3-Reranker's.

    Args:
        folder: Of the model.
        name: A hub id or the folder's path.
        tokenizer: Gives the model's; most folders need none here, and it takes a second to read.

    Raises:
        ModelLoadError: The folder can't be read.
    """
    remembered = str(read_config(folder).get("_name_or_path", ""))
    for told in (name, remembered):
        family = family_of(Path(told).name)
        if family is not None:
            return family
    stated = read_logit_score(folder)
    if stated is None:
        return QWEN3
    loaded = tokenizer()
    texts = tuple(token_text(loaded, token) for token in stated.tokens)
    fitting = (p for p in FAMILIES.values() if (p.answer.plus, p.answer.minus) == texts)
    return next(fitting, QWEN3)
