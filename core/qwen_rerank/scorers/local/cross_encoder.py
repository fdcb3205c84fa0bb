"""Scores by small encoder models, through sentence-transformers' `CrossEncoder`."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.errors import (
    BadScoresError,
    ConfigError,
    InvalidInputError,
    ModelLoadError,
    ScorerError,
)
from qwen_rerank.extras import require_extras
from qwen_rerank.image import with_images, without_images
from qwen_rerank.scorers.local.architectures import CAUSAL, CLASSIFIERS
from qwen_rerank.scorers.local.hub import find_model, local_folder
from qwen_rerank.scorers.local.model_folder import read_json
from qwen_rerank.types import BatchScorer, DocumentScore, Outcome, RerankRequest, Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KIND = "CrossEncoder"
"""What sentence-transformers calls these models."""


@dataclass(frozen=True, slots=True)
class CrossEncoderScorer(BatchScorer):
    """An encoder with one label, such as the rerankers of Ettin, gte and BGE.

    A value: equal scorers share one loaded model, which loads at the first call with documents,
    and any number of threads may use it, one after another.

    Args:
        model: A hub id or a folder.
        device: See `LocalScorer`.
        dtype: See `LocalScorer`; not `"int8"`.
        max_length: The longest pair in tokens; the model's own limit counts, too. A document's
            end is cut to fit, the query's never.
    """

    model: str
    device: str | None = None
    dtype: str | None = None
    max_length: int = 8192

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise ConfigError(f"max_length must be at least 1 token, got {self.max_length}")
        if self.dtype == "int8":
            raise ConfigError(f"dtype 'int8' is for Qwen's rerankers, not for {self.model}")
        require_extras("sentence-transformers")

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """See `BatchScorer.score_batch`.

        Raises:
            ModelLoadError: The model can't be found, downloaded or read, or has several labels.
            InvalidInputError: A query leaves no room for a document.
            ConfigError: A request has an instruction: these models know none.
        """
        return [
            with_images(request.documents, self._outcome(without_images(request)))
            for request in requests
        ]

    def load(self) -> None:
        """Load the model now instead of at the first call."""
        _loaded(self)

    def fingerprint(self) -> str:
        """The model with its revision, and all else that these scores depend on.

        Raises:
            ModelLoadError: The model can't be found, downloaded or read.
        """
        loaded = _loaded(self)
        device, dtype = loaded.encoder.device, loaded.encoder.dtype
        resolved = replace(self, device=device.type, dtype=str(dtype))
        return f"{resolved!r} at revision {loaded.revision}"

    def _outcome(self, request: RerankRequest) -> Outcome:
        if not request.documents:
            return Scores()
        if request.instruction is not None:
            raise ConfigError(f"{self.model} takes no instruction; leave it out")
        loaded = _loaded(self)
        pairs = [(request.query, document) for document in request.documents]
        limit = loaded.limit(self.max_length)
        lengths = loaded.lengths(pairs, limit)
        try:
            scores = loaded.predict(pairs, limit)
        except loaded.out_of_memory as error:
            return ScorerError(f"the device has no memory for these pairs: {error}")
        if not all(map(math.isfinite, scores)):
            return BadScoresError(f"{self.model} gave NaN as a score: check its weights and dtype")
        return Scores(
            tuple(
                DocumentScore(score, truncated=length > limit, tokens=min(length, limit))
                for score, length in zip(scores, lengths, strict=True)
            )
        )


class _LoadedEncoder:
    """A model in memory. Its tokenizer can't be used by two threads at once."""

    def __init__(self, folder: Path, device: str | None, dtype: str | None) -> None:
        import torch

        from qwen_rerank.scorers.local.revision import revision_of

        self.out_of_memory = torch.OutOfMemoryError
        self.revision = revision_of(folder)
        self.encoder = _read(folder, device, dtype)
        self._sigmoid = torch.nn.Sigmoid()
        run_now_and_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()

    def limit(self, max_length: int) -> int:
        """The longest pair in tokens."""
        return min(max_length, self.encoder.max_seq_length or max_length)

    def lengths(self, pairs: Sequence[tuple[str, str]], limit: int) -> list[int]:
        """How many tokens each pair has.

        Raises:
            InvalidInputError: A document of no token would not fit either.
        """
        given = [*pairs, (pairs[0][0], "")]
        with self._lock:
            ids = self.encoder.tokenizer(given, truncation=False, verbose=False)["input_ids"]
        *lengths, alone = map(len, ids)
        if alone >= limit:
            raise InvalidInputError(
                f"the query takes {alone} tokens, which leaves no room for a document within "
                f"{limit}; shorten it or raise max_length"
            )
        return lengths

    def predict(self, pairs: Sequence[tuple[str, str]], limit: int) -> list[float]:
        """The sigmoid of each pair's logit."""
        cutting = {"truncation": "only_second", "max_length": limit}
        with self._lock:
            scores: NDArray[Any] = self.encoder.predict(
                list(pairs),
                activation_fn=self._sigmoid,
                show_progress_bar=False,
                processing_kwargs={"text": cutting},
            )
        return [float(score) for score in scores]


def _read(folder: Path, device: str | None, dtype: str | None) -> Any:
    from sentence_transformers import CrossEncoder

    from qwen_rerank.scorers.local.device import choose_device, choose_dtype

    if is_qwen(folder):
        raise ModelLoadError(f"{folder} holds a Qwen reranker: use LocalScorer, or engine='qwen'")
    chosen = choose_device(device)
    kind = {"dtype": choose_dtype(dtype, chosen), "use_safetensors": True}
    try:
        encoder = CrossEncoder(str(folder), device=str(chosen), model_kwargs=kind)
    except Exception as error:  # transformers raises every kind for what it can't read
        raise ModelLoadError(f"{folder} can't be read as a cross-encoder: {error}") from error
    if encoder.num_labels != 1:
        raise ModelLoadError(f"a reranker has 1 label, {folder} has {encoder.num_labels}")
    return encoder


def is_qwen(folder: Path) -> bool:
    """Whether a folder's model runs in this package's own engine."""
    return _architecture(_config(folder)) in {*CAUSAL, *CLASSIFIERS}


def is_cross_encoder(model: str) -> bool:
    """Whether a model is a folder on this machine with an encoder of one label.

    A folder that can't be read counts as another kind; loading it raises the reason.
    """
    folder = local_folder(model)
    try:
        return folder is not None and not is_qwen(folder) and _has_one_label(folder)
    except ModelLoadError:
        return False


def _has_one_label(folder: Path) -> bool:
    written = "config_sentence_transformers.json"
    if (folder / written).is_file() and _config(folder, written).get("model_type") == _KIND:
        return True
    config = _config(folder)
    names = config.get("id2label")
    labels = len(names) if isinstance(names, dict) else config.get("num_labels")
    return _architecture(config).endswith("ForSequenceClassification") and labels == 1


def _config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    config = read_json(folder / name)
    return config if isinstance(config, dict) else {}


def _architecture(config: dict[str, Any]) -> str:
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


_loading: threading.Lock


def _reset() -> None:
    global _loading  # noqa: PLW0603 - a forked child needs a lock of its own
    _loading = threading.Lock()


run_now_and_after_fork(_reset)


def _loaded(scorer: CrossEncoderScorer) -> _LoadedEncoder:
    with _loading:
        return _load(scorer.model, scorer.device, scorer.dtype)


@lru_cache
def _load(model: str, device: str | None, dtype: str | None) -> _LoadedEncoder:
    return _LoadedEncoder(find_model(model), device, dtype)
