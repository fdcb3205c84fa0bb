"""Qwen3-Reranker as a LlamaIndex node postprocessor."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from pydantic import ConfigDict

from llama_index_qwen_rerank.images import document_of
from llama_index_qwen_rerank.nodes import reranked_node
from qwen_rerank import ConfigError, InvalidInputError
from qwen_rerank._validation import checked_sentence
from qwen_rerank.adapter import QueryKeywords, RerankAdapter

dispatcher = get_dispatcher(__name__)


class QwenRerankKeywords(QueryKeywords, total=False):
    """The settings of `QwenRerank`."""

    keep_retrieval_score: bool
    metadata_mode: MetadataMode
    callback_manager: CallbackManager


class QwenRerank(RerankAdapter, BaseNodePostprocessor):
    """Reorders retrieved nodes by Qwen3-Reranker's P("yes").

    Goes wherever LlamaIndex takes node postprocessors:

    ```python
    index.as_query_engine(similarity_top_k=20, node_postprocessors=[QwenRerank()])
    ```

    The result holds new `NodeWithScore`s, best first, with P("yes") as their score. When no
    scorer answers and `on_error` is `"original_order"`, they come in their original order
    with the retriever's scores and the reason in `metadata["rerank_error"]`, which no LLM
    and no embedding gets to see.
    """

    model_config = ConfigDict(extra="forbid")

    keep_retrieval_score: bool = False
    """Keep the retriever's score in `metadata["retrieval_score"]`, hidden from LLMs."""
    metadata_mode: MetadataMode = MetadataMode.EMBED
    """Which metadata is scored along with a node's text: as embedded, unless said otherwise."""

    if TYPE_CHECKING:

        def __init__(
            self, model: str | None = None, /, **settings: Unpack[QwenRerankKeywords]
        ) -> None: ...

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex writes this class down."""
        return "QwenRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        return self._reranked(query, nodes) if nodes else []

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        return await self._reranker.run(self._reranked, query, nodes) if nodes else []

    def _reranked(self, query: str, nodes: Sequence[NodeWithScore]) -> list[NodeWithScore]:
        """Rerank, and tell both of LlamaIndex's event systems of the start and the end.

        An async call does this in its worker thread: many events would block an event loop.
        Events get copies, because other code overwrites the scores of nodes later.
        """
        copies = _copies(nodes)
        top_n = len(nodes) if self.top_n is None else self.top_n
        dispatcher.event(
            ReRankStartEvent(query=query, nodes=copies, top_n=top_n, model_name=self.model_name)
        )
        payload: dict[str, object] = {
            EventPayload.NODES: copies,
            EventPayload.MODEL_NAME: self.model_name,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            ranked = self._ranked(query, nodes)
            event.on_end({EventPayload.NODES: _copies(ranked)})
            dispatcher.event(ReRankEndEvent(nodes=_copies(ranked)))
        return ranked

    def _ranked(self, query: str, nodes: Sequence[NodeWithScore]) -> list[NodeWithScore]:
        texts = [document_of(node.node, self.metadata_mode) for node in nodes]
        keep = self.keep_retrieval_score
        results, rerank_id = self._ranked_and_recorded(query, texts)
        return [reranked_node(nodes[result.index], result, keep, rerank_id) for result in results]

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """The settings, without the key.

        Raises:
            ConfigError: A scorer, expander or feedback store can't be written down.
        """
        for name in ("scorer", "query_expander", "feedback"):
            if getattr(self, name) is not None:
                raise ConfigError(f"{name} is an object of yours, which to_dict can't write down")
        return super().to_dict(**kwargs)

    def __getstate__(self) -> dict[str, Any]:
        for name in ("scorer", "query_expander"):
            try:
                pickle.dumps(getattr(self, name))
            except Exception as error:  # LlamaIndex would drop it, here and in the copy
                kind = type(getattr(self, name)).__name__
                raise ConfigError(f"{name}: a {kind} does not pickle: {error}") from error
        return super().__getstate__()


def _query(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise InvalidInputError(
            "Missing query bundle in extra info: query_bundle is None, a query is needed"
        )
    return checked_sentence("query", query_bundle.query_str)


def _copies(nodes: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    return [NodeWithScore(node=node.node, score=node.score) for node in nodes]
