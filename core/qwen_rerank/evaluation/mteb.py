"""A reranker as a model of MTEB, for its reranking tasks. Needs the extra `mteb`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.factory import load
from qwen_rerank.settings import RerankerSettings

try:
    import numpy as np
    from mteb.models import ModelMeta
    from tqdm import tqdm
except ImportError:
    raise MissingDependencyError("mteb", "mteb") from None

if TYPE_CHECKING:
    from numpy.typing import NDArray

Group = tuple[str | None, str]
"""An instruction and a query."""


class MTEBReranker:
    """Scores MTEB's (query, document) pairs; a `CrossEncoderProtocol` of MTEB.

    An outage raises, so that no result is made of missing scores. Scores are not remembered
    between tasks.

    Args:
        model_name: A hub id, a folder, `"builtin"`, or with `base_url` the server's name of it.
        revision: What the results shall say of the model's revision; it chooses none.
        device: As in the settings.
        **settings: Any other of `RerankerSettings`, such as `base_url` or `instruction`. The
            instruction is that of tasks which have none of their own.

    Raises:
        ConfigError: A setting is unknown or has a wrong value.
        MissingDependencyError: The scorer needs a package; the message names the extra.
    """

    def __init__(
        self,
        model_name: str,
        revision: str | None = None,
        device: str | None = None,
        **settings: Any,
    ) -> None:
        self._settings = RerankerSettings(
            model=model_name, device=device, on_error="raise", cache_ttl=None, **settings
        )
        self._revision = revision
        self._reranker = load(self._settings)

    @cached_property
    def mteb_model_meta(self) -> ModelMeta:
        """The name under which MTEB keeps results, with the settings that differ from the defaults.

        With other settings, MTEB keeps other results. No secret is among them.
        """
        name = self._settings.model
        hidden = {"model", "on_error", "cache_ttl", "timeout", "max_retries", "trace_texts"}
        return ModelMeta.create_empty(
            {
                "name": name if "/" in name.strip("/.") else f"qwen-rerank/{name}",
                "revision": self._revision,
                "framework": ["PyTorch"] if self._settings.base_url is None else ["API"],
                "model_type": ["cross-encoder"],
                "max_tokens": self._settings.max_length,
                "use_instructions": True,
                "experiment_kwargs": self._settings.model_dump(
                    exclude=hidden, exclude_defaults=True
                ),
            }
        )

    def predict(
        self,
        inputs1: Iterable[dict[str, Any]],
        inputs2: Iterable[dict[str, Any]],
        **kwargs: Any,
    ) -> NDArray[np.float64]:
        """Score each pair. The documents of one query and instruction are scored together.

        Args:
            inputs1: Batches of queries, as MTEB's data loaders give them.
            inputs2: Batches of documents, as many as queries.
            **kwargs: What MTEB says besides. `show_progress_bar` counts; nothing changes a score.

        Returns:
            P("yes") for each pair, in their order, shape `[pairs]`.

        Raises:
            ScorerError: A document has no score.
        """
        groups: dict[Group, dict[int, str]] = defaultdict(dict)
        pairs = zip(_queries(inputs1), _documents(inputs2), strict=True)
        for place, (group, document) in enumerate(pairs):
            groups[group][place] = document
        scores = np.zeros(sum(map(len, groups.values())))
        hidden = not kwargs.get("show_progress_bar", True)
        for (instruction, query), documents in tqdm(groups.items(), "Reranking", disable=hidden):
            scores[list(documents)] = self._score(query, list(documents.values()), instruction)
        return scores

    def _score(self, query: str, documents: list[str], instruction: str | None) -> list[float]:
        if instruction is None:
            instruction = self._settings.instruction
        return self._reranker.scorer.score(query, documents, instruction=instruction)


def _queries(batches: Iterable[dict[str, Any]]) -> Iterator[Group]:
    """MTEB appends the instruction to a query's `text`; `query` is the query alone."""
    for batch in batches:
        if "instruction" not in batch:
            yield from ((None, text) for text in batch["text"])
        else:
            yield from zip(batch["instruction"], batch["query"], strict=True)


def _documents(batches: Iterable[dict[str, Any]]) -> Iterator[str]:
    for batch in batches:
        yield from batch["text"]
