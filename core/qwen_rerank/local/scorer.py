"""Scores in this process. Importing this module loads no torch; the first score does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from qwen_rerank.errors import BadScoresError, ConfigError, MissingDependencyError
from qwen_rerank.prompt import QWEN3, PromptSpec
from qwen_rerank.types import Scores

if TYPE_CHECKING:
    from qwen_rerank.local.model import LocalModel

DEFAULT_MODEL = "Qwen/Qwen3-Reranker-0.6B"


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
    """

    model: str = DEFAULT_MODEL
    device: str | None = None
    dtype: str | None = None
    max_length: int = 8192
    prompt: PromptSpec = QWEN3

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
        if not documents:
            return Scores([])
        model = self._shared_model()
        encoded = model.encoder(self.prompt).encode(query, documents, instruction, self.max_length)
        [odds] = model.engine.log_odds([encoded])
        if not all(map(math.isfinite, odds)):
            raise BadScoresError(
                f"{self.model} computed a number that is none: are its weights whole, "
                "and is its dtype wide enough?"
            )
        return Scores(map(_sigmoid, odds), truncated=encoded.truncated)

    def load(self) -> None:
        """Load the model now instead of at the first call."""
        self._shared_model()

    def _shared_model(self) -> LocalModel:
        from qwen_rerank.local.model import shared_model

        return shared_model(self.model, self.device, self.dtype, (self.prompt.yes, self.prompt.no))


def _sigmoid(odds: float) -> float:
    """In double precision, so that sure answers near 1 keep their order."""
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
