"""What a model folder says about its own scoring, obeyed or refused.

sentence-transformers writes it to `modules.json` and the configs of its modules, transformers
to `id2label` and `chat_template.jinja`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from qwen_rerank.errors import ModelLoadError
from qwen_rerank.prompt import DOCUMENT, PromptSpec
from qwen_rerank.scorers.local.encoder import AnswerIds
from qwen_rerank.scorers.local.model_folder import MAX_JSON_BYTES, read_json

YES_LABELS = frozenset({"yes", "true", "relevant", "positive", "label_1", "1"})
NO_LABELS = frozenset({"no", "false", "irrelevant", "not relevant", "negative", "label_0", "0"})

_DOCUMENT_ROLE = re.compile(r"""["']document["']""")


@dataclass(frozen=True, slots=True)
class LogitScore:
    """A module of sentence-transformers that scores by the logits of one or two tokens."""

    path: Path
    """Of its config."""
    tokens: tuple[Any, Any]
    """What counts for a document, and what against it; `None` if nothing does."""


def read_logit_score(folder: Path) -> LogitScore | None:
    """What `modules.json` of sentence-transformers says of the answer, if it says anything.

    Raises:
        ModelLoadError: The modules make an embedding model, or can't be read.
    """
    path = folder / "modules.json"
    modules = read_json(path) if path.exists() else None
    for module in modules if isinstance(modules, list) else []:
        kind = str(module.get("type", "")) if isinstance(module, dict) else ""
        if kind.endswith(".Pooling"):
            raise ModelLoadError(
                f"{path} makes this an embedding model (it has {kind}): it gives no yes or no; "
                "choose a Qwen3-Reranker"
            )
        if kind.endswith(".LogitScore"):
            return _logit_score(folder, str(module.get("path", "")))
    return None


def _logit_score(folder: Path, module: str) -> LogitScore:
    if Path(module).name != module:
        raise ModelLoadError(
            f"{folder / 'modules.json'} names {module!r}, which is no folder in it"
        )
    path = folder / module / "config.json"
    config = read_json(path)
    if not isinstance(config, dict):
        raise ModelLoadError(f"{path} must hold an object, it holds {type(config).__name__}")
    return LogitScore(path, (config.get("true_token_id"), config.get("false_token_id")))


def check_modules(folder: Path, tokenizer: Tokenizer, answers: AnswerIds) -> None:
    """Refuse a folder whose modules score in another way than by these answers.

    Args:
        folder: Holds `modules.json` if sentence-transformers saved it.
        tokenizer: Of the model.
        answers: The token ids of the answer.

    Raises:
        ModelLoadError: It names the module and what it would do.
    """
    stated = read_logit_score(folder)
    if stated is not None and stated.tokens != answers:
        theirs, ours = (
            " and ".join(_token(tokenizer, token) for token in tokens)
            for tokens in (stated.tokens, answers)
        )
        raise ModelLoadError(
            f"{stated.path} scores by the tokens {theirs}, not by {ours}: set prompt to the "
            "model's family, or to a PromptSpec made for it"
        )


def token_text(tokenizer: Tokenizer, token: object) -> str | None:
    """The text of a token that a file names; `None` if the tokenizer has no such token."""
    return tokenizer.id_to_token(token) if type(token) is int and token >= 0 else None


def _token(tokenizer: Tokenizer, token: object) -> str:
    text = token_text(tokenizer, token)
    return f"{token} ({text!r})" if text is not None else f"{token}"


def check_template(folder: Path, spec: PromptSpec) -> None:
    """Refuse a folder whose template for query and document has other markers.

    A template without a role for documents is the base model's chat, and says nothing.

    Raises:
        ModelLoadError: Prompts from this spec are certainly not what the model was made for.
    """
    path = folder / "chat_template.jinja"
    if not path.is_file() or path.stat().st_size > MAX_JSON_BYTES:
        return
    template = path.read_text(encoding="utf-8", errors="replace")
    marker = spec.template.split(DOCUMENT)[0].rpartition("\n")[2].strip()
    if _DOCUMENT_ROLE.search(template) and marker not in template:
        raise ModelLoadError(
            f"{path} builds other prompts: it has a role for documents and no {marker!r}; set "
            "prompt to the model's family, or to a PromptSpec made for it"
        )


def yes_row_is_first(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether a classifier with two labels has "yes" before "no".

    Raises:
        ModelLoadError: The labels have names that don't say which of them is "yes".
    """
    labels = config.get("id2label")
    if labels is None:
        return False
    names = [str(labels.get(key)).lower() for key in ("0", "1")] if isinstance(labels, dict) else []
    if len(names) == 2 and names[0] in NO_LABELS and names[1] in YES_LABELS:
        return False
    if len(names) == 2 and names[0] in YES_LABELS and names[1] in NO_LABELS:
        return True
    raise ModelLoadError(
        f"{folder / 'config.json'}: id2label must name one label 'yes' and the other 'no', it is "
        f"{labels!r}"
    )
