"""Qwen3-Reranker as a LlamaIndex node postprocessor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.callbacks.base import EventContext
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from pydantic import ConfigDict

from llama_index_qwen_rerank.nodes import reranked_node
from qwen_rerank import InvalidInputError, RerankResult
from qwen_rerank.adapter import RerankAdapter

dispatcher = get_dispatcher(__name__)


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

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex writes this class down."""
        return "QwenRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        if not nodes:
            return []
        with self._events(query, nodes) as event:
            ranked = self._ranked(nodes, self._rank(query, self._texts(nodes)))
            event.on_end({EventPayload.NODES: ranked})
        return self._ended(ranked)

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        if not nodes:
            return []
        with self._events(query, nodes) as event:
            ranked = self._ranked(nodes, await self._arank(query, self._texts(nodes)))
            event.on_end({EventPayload.NODES: ranked})
        return self._ended(ranked)

    def _texts(self, nodes: Sequence[NodeWithScore]) -> list[str]:
        return [node.node.get_content(self.metadata_mode) for node in nodes]

    def _ranked(
        self, nodes: Sequence[NodeWithScore], results: Sequence[RerankResult]
    ) -> list[NodeWithScore]:
        keep = self.keep_retrieval_score
        return [reranked_node(nodes[result.index], result, keep) for result in results]

    @contextmanager
    def _events(self, query: str, nodes: Sequence[NodeWithScore]) -> Iterator[EventContext]:
        """Tell both of LlamaIndex's event systems that a rerank starts."""
        copies = [NodeWithScore(node=node.node, score=node.score) for node in nodes]
        top_n = len(nodes) if self.top_n is None else self.top_n
        dispatcher.event(
            ReRankStartEvent(query=query, nodes=copies, top_n=top_n, model_name=self.model)
        )
        payload: dict[str, object] = {
            EventPayload.NODES: copies,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            yield event

    def _ended(self, ranked: list[NodeWithScore]) -> list[NodeWithScore]:
        dispatcher.event(ReRankEndEvent(nodes=list(ranked)))
        return ranked


def _query(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise InvalidInputError("Missing query bundle in extra info: a query is needed to rerank")
    return query_bundle.query_str
