"""Scores in this process. Importing this module loads no torch; the first score does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from qwen_rerank.errors import BadScoresError, ConfigError, MissingDependencyError
from qwen_rerank.progress import Progress
from qwen_rerank.prompt import QWEN3, PromptSpec
from qwen_rerank.types import OnProgress, Scores

if TYPE_CHECKING:
    from qwen_rerank.scorers.local.encoder import EncodedQuery
    from qwen_rerank.scorers.local.model import LocalModel

DEFAULT_MODEL = "Qwen/Qwen3-Reranker-0.6B"
QUERIES_AT_ONCE = 64
"""Whose tokens are in memory at one time; enough that filling the last pass does not matter."""


@dataclass(frozen=True, slots=True)
class LocalScorer:
    """Qwen3-Reranker in torch.

    A value: equal scorers share one loaded model, any number of threads may use it, and it
    pickles as its settings. The model loads at the first call with documents.

    Args:
        model: A hub id, a folder, or `"builtin"`.
        device: A torch device such as `"cuda:0"`; `None` takes the best there is.
        dtype: `"float32"`, `"bfloat16"` or `"float16"`; `None` means bf16 on a GPU that
            has it and fp32 elsewhere. The last product is fp32 in any case.
        max_length: The longest prompt in tokens, everything included; a document's end
            is cut to fit, the query's never.
        prompt: The words around query and document.
        compiled: Let torch compile the layers, once when the model loads: faster passes for a
            minute of waiting. On a CPU it needs a C++ compiler.
    """

    model: str = DEFAULT_MODEL
    device: str | None = None
    dtype: str | None = None
    max_length: int = 8192
    prompt: PromptSpec = QWEN3
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise ConfigError(f"max_length must be at least 1 token, got {self.max_length}")
        for package in ("torch", "transformers"):
            if find_spec(package) is None:
                raise MissingDependencyError(package, "local")

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> Scores:
        """P("yes") for each document, in the order they came; see `Scorer.score`.

        Raises:
            ModelLoadError: The model can't be found, downloaded or read.
            InvalidInputError: Instruction and query leave no room for a document.
            BadScoresError: The weights or the number format gave no number.
        """
        [scores] = self.score_many([query], [documents], instruction=instruction)
        return scores

    def score_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        instruction: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Scores]:
        """P("yes") for each query's own documents; queries share the model's passes.

        Memory does not grow with the number of queries, beyond the scores themselves.

        Args:
            queries: What is searched for.
            documents_per_query: The candidates of each, in the same order.
            instruction: The task in one English sentence, the same for all.
            on_progress: Called from this thread after each pass.

        Raises:
            ModelLoadError: The model can't be found, downloaded or read.
            InvalidInputError: Instruction and a query leave no room for a document.
            ScorerError: The device has no memory for one of the documents.
        """
        pairs = list(zip(queries, documents_per_query, strict=True))
        progress = Progress(on_progress, sum(len(documents) for _, documents in pairs))
        if progress.total == 0:
            return [Scores([]) for _ in pairs]
        model = self._shared_model()
        encode, scores = model.encoder(self.prompt).encode, list[Scores]()
        for first in range(0, len(pairs), QUERIES_AT_ONCE):
            encoded = [
                encode(query, documents, instruction, self.max_length)
                for query, documents in pairs[first : first + QUERIES_AT_ONCE]
            ]
            odds = model.engine.log_odds(encoded, progress.after(sum(map(len, scores))))
            scores += [self._scores(o, e) for o, e in zip(odds, encoded, strict=True)]
        return scores

    def _scores(self, odds: Sequence[float], encoded: EncodedQuery) -> Scores:
        if not all(map(math.isfinite, odds)):
            raise BadScoresError(
                f"{self.model} computed a number that is none: are its weights whole, "
                "and is its dtype wide enough?"
            )
        return Scores(map(_sigmoid, odds), truncated=encoded.truncated)

    def load(self) -> None:
        """Load the model now instead of at the first call."""
        self._shared_model()

    def fingerprint(self) -> str:
        """The model with its revision, and all else that these scores depend on.

        Loads the model, for only a loaded one knows which revision it is.

        Raises:
            ModelLoadError: The model can't be found, downloaded or read.
        """
        return _fingerprint(self)

    def _shared_model(self) -> LocalModel:
        from qwen_rerank.scorers.local.model import shared_model

        answers = (self.prompt.yes, self.prompt.no)
        return shared_model(self.model, self.device, self.dtype, answers, compiled=self.compiled)


@lru_cache
def _fingerprint(scorer: LocalScorer) -> str:
    """Remembered, for looking at a GPU waits until it has done its work."""
    model = scorer._shared_model()  # noqa: SLF001 - its own module
    resolved = replace(scorer, device=model.device, dtype=model.dtype)
    return f"{resolved!r} at revision {model.revision}"


def _sigmoid(odds: float) -> float:
    """In double precision, so that sure answers near 1 keep their order."""
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
