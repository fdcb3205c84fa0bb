"""Known answers, which show whether a server's scores mean anything.

A server without Qwen3's template, or with one that lost its last line break, still answers
with numbers between 0 and 1, and no error shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.types import RerankRequest

QUERY = "What is the capital of France?"
DOCUMENTS = (
    "London is the capital of England.",
    "Paris is the capital of France.",
    "Berlin is the capital of Germany.",
    "Stir two eggs into a cup of flour.",
)
_RIGHT, _OFF_TOPIC = 1, 3

_TEMPLATE = (
    "serve the model with this project's qwen3_reranker.jinja (docs/remote.md has the commands), "
    'or set template="client" if the server applies no template at all'
)
EQUAL = (
    "all scores are equal: the server's prompt does not contain the texts, as with a chat "
    f"template that knows other roles, or the model's answer row was lost; {_TEMPLATE}"
)
DEAD = (
    "all scores are next to 0: the model's answer row is missing, as in GGUF files converted "
    "without cls.output; convert the model again with a current llama.cpp"
)
DOUBLE_SIGMOID = (
    "all scores lie between 0.5 and 0.731: a sigmoid was applied to probabilities; "
    "switch off the second one on the server"
)
WRONG_ORDER = f"the right answer is not the best one: the template is missing; {_TEMPLATE}"
UNSURE = (
    "the right answer comes first, but the scores are not those of the model: the template "
    f"differs, often by its <think> block or its last line break; {_TEMPLATE}"
)
MEANINGLESS = "a recipe scores as high as the right answer: the scores do not depend on the texts"


def request() -> RerankRequest:
    """The query and documents whose right order is known."""
    return RerankRequest(QUERY, DOCUMENTS)


def verdict(scores: Sequence[float], *, qwen3: bool) -> str | None:
    """What is wrong with a server, judged by its scores of `DOCUMENTS`.

    Args:
        scores: In the order of `DOCUMENTS`.
        qwen3: Whether they should be those of a Qwen3-Reranker; any other model only has to
            score the right answer above a recipe.

    Returns:
        The likely cause and the remedy; `None` if all is well.
    """
    if max(scores) < (1e-3 if qwen3 else 1e-6):
        return DEAD
    if max(scores) - min(scores) < (0.01 if qwen3 else 1e-6):  # bf16 scores are not exact
        return EQUAL
    if min(scores) > 0.49 and max(scores) < 0.7312:  # sigmoid(0) and sigmoid(1)
        return DOUBLE_SIGMOID
    return _qwen3_verdict(scores) if qwen3 else _lexical_verdict(scores)


def _qwen3_verdict(scores: Sequence[float]) -> str | None:
    # published: 0.997 with the template, 0.80 without <think>, London first without either
    right = scores[_RIGHT]
    if right < max(scores):
        return WRONG_ORDER
    others = max(score for place, score in enumerate(scores) if place != _RIGHT)
    return UNSURE if right < 0.9 or scores[_OFF_TOPIC] > 0.1 or right - others < 0.2 else None


def _lexical_verdict(scores: Sequence[float]) -> str | None:
    return MEANINGLESS if scores[_RIGHT] <= scores[_OFF_TOPIC] else None
