"""What each engine's process does: it scores what stands on a line, and says how long it took."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

Score = Callable[[str, Sequence[str]], list[float]]
"""P("yes") of each document."""

NEAREST = 2.0**-53
"""To 0 and 1; some engines round to them."""
TASK = "Given a web search query, retrieve relevant passages that answer the query"
_HEAD = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
)
_TAIL = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def halves(query: str, documents: Sequence[str]) -> tuple[str, list[str]]:
    """The official prompt for engines that join a query with a document as they come."""
    head = f"{_HEAD}<Instruct>: {TASK}\n<Query>: {query}\n"
    return head, [f"<Document>: {document}{_TAIL}" for document in documents]


def work(load: Callable[[], tuple[str, Score]]) -> None:
    """Load, say which version that is, and score; the end of the input ends it."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # engines print
    version, score = load()
    _say(replies, version)
    for line in sys.stdin:
        query, documents = json.loads(line)
        start, started = time.perf_counter(), time.process_time()
        scores = score(query, documents)
        took = time.perf_counter() - start, time.process_time() - started
        _say(replies, [*took, [_log_odds(score) for score in scores]])


def _say(replies: Any, what: Any) -> None:
    replies.write(json.dumps(what) + "\n")
    replies.flush()


def _log_odds(score: float) -> float:
    score = min(max(score, NEAREST), 1 - NEAREST)
    return math.log(score / (1 - score))
