"""Scores in this process. Importing this module loads no torch; the first score does."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import tee
from typing import TYPE_CHECKING, NamedTuple, Self

from qwen_rerank.errors import BadScoresError, ConfigError, MissingDependencyError, ScorerError
from qwen_rerank.extras import require_extras
from qwen_rerank.image import with_images, without_images
from qwen_rerank.prompt import DEFAULT_MODEL, PromptSpec
from qwen_rerank.scorers.local.hub import BUILTIN, local_folder
from qwen_rerank.types import BatchScorer, DocumentScore, Outcome, RerankRequest, Scores

if TYPE_CHECKING:
    from qwen_rerank.scorers.local.encoder import EncodedQuery, PromptEncoder
    from qwen_rerank.scorers.local.engine import Engine
    from qwen_rerank.scorers.local.queued_query import QueryOdds

REQUESTS_IN_MEMORY = 64
"""How many requests are tokenised at a time; enough to fill all but the last pass."""

LOWEST_TRANSFORMERS = "4.56"
"""As in pyproject.toml: the first with what the engine uses of it."""


@dataclass(frozen=True, slots=True)
class LocalScorer(BatchScorer):
    """Qwen3-Reranker and its family in torch.

    A value: equal scorers share one loaded model, any number of threads may use it, and it
    pickles as its settings. The model loads at the first call with documents. As a context
    manager it unloads the model at the end.

    Args:
        model: A hub id, a folder, or `"builtin"`.
        device: A torch device such as `"cuda:0"`; `None` takes the best there is.
        dtype: `"float32"`, `"bfloat16"`, `"float16"`, or `"int8"` on a CPU; `None` means bf16
            on a GPU that has it and fp32 elsewhere. The last product is fp32 in any case.
        max_length: The longest prompt in tokens, everything included; a document's end
            is cut to fit, the query's never.
        prompt: What is written around query and document, and how the answer is read; `None`
            takes what the model was made for, by its name and its files.
        compiled: Let torch compile the layers, once when the model loads: faster passes for a
            minute of waiting. On a CPU it needs a C++ compiler. In bf16 or fp16 on an NVIDIA GPU
            it changes nothing: what pays is compiled anyway.
    """

    model: str = DEFAULT_MODEL
    device: str | None = None
    dtype: str | None = None
    max_length: int = 8192
    prompt: PromptSpec | None = None
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise ConfigError(f"max_length must be at least 1 token, got {self.max_length}")
        require_extras("local")
        _check_transformers()

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """See `BatchScorer.score_batch`; requests share the model's passes.

        Memory does not grow with the number of requests, beyond the scores themselves.

        Raises:
            ModelLoadError: The model can't be found, downloaded or read.
            InvalidInputError: Instruction and query of a request leave no room for a document.
            ConfigError: A request has an instruction, and the model's prompt has no place for it.
        """
        if not any(request.documents for request in requests):
            return [Scores() for _ in requests]
        engine, encoder = self._loaded()[:2]
        outcomes: list[Outcome] = []
        for first in range(0, len(requests), REQUESTS_IN_MEMORY):
            part = requests[first : first + REQUESTS_IN_MEMORY]
            # the engine takes one after the other, and scores it while the next is tokenised
            for_engine, encoded = tee(
                encoder.encode(without_images(r), self.max_length) for r in part
            )
            odds = engine.log_odds(for_engine)
            outcomes += [
                with_images(r.documents, self._outcome(o, e, encoder.spec))
                for r, o, e in zip(part, odds, encoded, strict=True)
            ]
        return outcomes

    def _outcome(self, odds: QueryOdds, encoded: EncodedQuery, spec: PromptSpec) -> Outcome:
        if isinstance(odds, ScorerError):
            return odds
        documents = []
        for place, value in enumerate(odds):
            if isinstance(value, ScorerError):
                documents.append(DocumentScore(None, str(value), tokens=0))
            elif math.isfinite(value):
                score = _sigmoid(spec.answer.scale * value)
                cut, tokens = place in encoded.truncated, encoded.prompt_tokens(place)
                documents.append(DocumentScore(score, truncated=cut, tokens=tokens))
            else:
                return BadScoresError(
                    f"{self.model} gave NaN or infinity as a score: check that its weights are "
                    "complete and that dtype has enough range"
                )
        return Scores(tuple(documents))

    def load(self) -> None:
        """Load the model now instead of at the first call."""
        self._loaded()

    def unload(self) -> None:
        """Free the memory of the model; a later call loads it again.

        Equal scorers share the model, so it is unloaded for them, too. Calls that are running
        end with their scores, and free the memory then.
        """
        from qwen_rerank.scorers.local.model import model_key, unload_model

        _load.cache_clear()
        key = model_key(self.model, self.device, self.dtype, self.prompt, compiled=self.compiled)
        unload_model(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unload()

    def fingerprint(self) -> str:
        """The model with its revision, and all else that these scores depend on.

        Loads the model, for only a loaded one knows which revision it is.

        Raises:
            ModelLoadError: The model can't be found, downloaded or read.
        """
        return self._loaded().fingerprint

    def _loaded(self) -> _Loaded:
        # a folder by its whole path: after `chdir`, a relative one may be another folder
        folder = None if self.model == BUILTIN else local_folder(self.model)
        return _load(self, str(folder or self.model))


@lru_cache
def _check_transformers() -> None:
    try:
        found = version("transformers")
    except PackageNotFoundError:  # a source tree on Python's path: nothing to compare
        return
    if _release(found) < _release(LOWEST_TRANSFORMERS):
        wanted = f"transformers>={LOWEST_TRANSFORMERS} (this is {found})"
        raise MissingDependencyError(wanted, "local")


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


class _Loaded(NamedTuple):
    """The loaded model of a scorer, and what its scores depend on."""

    engine: Engine
    encoder: PromptEncoder
    fingerprint: str


@lru_cache
def _load(scorer: LocalScorer, folder: str) -> _Loaded:
    """Cached, because resolving the device waits until a GPU has done its work."""
    from qwen_rerank.scorers.local.model import model_key, shared_model

    compiled = scorer.compiled
    key = model_key(folder, scorer.device, scorer.dtype, scorer.prompt, compiled=compiled)
    model = shared_model(key)
    prompt = scorer.prompt or model.prompt
    resolved = replace(scorer, model=folder, device=model.device, dtype=model.dtype, prompt=prompt)
    encoder = model.encoder(prompt)
    return _Loaded(model.engine, encoder, f"{resolved!r} at revision {model.revision}")


def _sigmoid(odds: float) -> float:
    """In double precision, so that sure answers near 1 keep their order."""
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
