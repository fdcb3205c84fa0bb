"""Asks a scorer, and takes its failures for answers."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.answers import check_scores
from qwen_rerank.errors import BadScoresError, ModelLoadError, ScorerError
from qwen_rerank.types import Answer, BulkScorer, OnProgress, Scorer, Scores


def ask(scorer: Scorer, query: str, texts: Sequence[str], instruction: str | None) -> Answer:
    """Ask for one query; a model that does not load is no answer, and raises."""
    if not texts:
        return Scores([])
    try:
        answer = scorer.score(query, texts, instruction=instruction)
        check_scores(answer, texts)
    except ModelLoadError:
        raise
    except ScorerError as error:
        return error
    return answer


def ask_many(
    scorer: Scorer,
    queries: Sequence[str],
    texts_per_query: Sequence[Sequence[str]],
    instruction: str | None,
    on_progress: OnProgress | None = None,
) -> list[Answer]:
    """Ask for many queries: in one call if the scorer can share work between them."""
    if isinstance(scorer, BulkScorer):
        return _at_once(scorer, queries, texts_per_query, instruction, on_progress)
    answers: list[Answer] = []
    done, total = 0, sum(map(len, texts_per_query))
    for query, texts in zip(queries, texts_per_query, strict=True):
        answers.append(ask(scorer, query, texts, instruction))
        done += len(texts)
        if on_progress is not None:
            on_progress(done, total)
    return answers


def _at_once(
    scorer: BulkScorer,
    queries: Sequence[str],
    texts_per_query: Sequence[Sequence[str]],
    instruction: str | None,
    on_progress: OnProgress | None,
) -> list[Answer]:
    try:
        answers = scorer.score_many(
            queries, texts_per_query, instruction=instruction, on_progress=on_progress
        )
        if len(answers) != len(queries):
            raise BadScoresError(f"wanted {len(queries)} lists of scores, got {len(answers)}")
        for answer, texts in zip(answers, texts_per_query, strict=True):
            if not isinstance(answer, ScorerError):
                check_scores(answer, texts)
    except ModelLoadError:
        raise
    except ScorerError as error:
        return [error] * len(queries)
    return list(answers)
