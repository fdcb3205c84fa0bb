"""Qwen3-Reranker as a LangChain document compressor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.load.serializable import (
    Serializable,
    SerializedConstructor,
    SerializedNotImplemented,
)
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from pydantic import ConfigDict, Field

from langchain_qwen_rerank.images import Content, document_of
from qwen_rerank import RerankResult
from qwen_rerank.adapter import CallSettings, QueryKeywords, RerankAdapter
from qwen_rerank.errors import InvalidInputError
from qwen_rerank.metadata import RELEVANCE_SCORE, kept_metadata, result_metadata, stale_keys
from qwen_rerank.settings import AdapterSettings


class QwenRerankKeywords(QueryKeywords, total=False):
    """The settings of `QwenRerank`."""

    document_formatter: Callable[[Document], Content] | None


class QwenRerank(RerankAdapter, Serializable, BaseDocumentCompressor):
    """Reorders retrieved documents by Qwen3-Reranker's P("yes").

    Goes wherever LangChain takes a compressor:

    ```python
    ContextualCompressionRetriever(base_compressor=QwenRerank(), base_retriever=retriever)
    ```

    The result holds copies, best first, with the score in `metadata["relevance_score"]`.
    When no scorer answers and `on_error` is `"original_order"`, they come in their original
    order with the reason in `metadata["rerank_error"]`.
    """

    model_config = ConfigDict(extra="forbid")

    document_formatter: Callable[[Document], Content] | None = Field(
        default=None, exclude=True, repr=False
    )
    """What is scored of a document: a text or content blocks, which may hold an image; `None`
    means its `page_content`."""

    if TYPE_CHECKING:

        def __init__(
            self, model: str | None = None, /, **settings: Unpack[QwenRerankKeywords]
        ) -> None: ...

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Rerank documents, visible as a child run of whatever calls.

        Args:
            documents: The candidates in retrieval order; they are not changed.
            query: What was searched for.
            callbacks: Of the calling run.

        Raises:
            InvalidInputError: The query is no text or blank, or a formatter gave no text.
            ScorerError: No scores could be had and `on_error` is `"raise"`.
        """
        return self._run.invoke((query, list(documents)), self._config(callbacks))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """`compress_documents` without blocking the event loop."""
        return await self._run.ainvoke((query, list(documents)), self._config(callbacks))

    def rerank(
        self, documents: Sequence[str | Document], query: str, **settings: Unpack[CallSettings]
    ) -> list[dict[str, Any]]:
        """The ranking alone, in the form that LangChain's other rerankers give it.

        Args:
            documents: Texts or documents, in retrieval order.
            query: What is searched for.
            **settings: `top_n`, `score_threshold` and `instruction`, where this call wants others.

        Returns:
            Best first: `index` in `documents`, `relevance_score` in [0, 1] or `None` without
            an answer, and what `metadata` would say besides, such as the `rerank_id` where
            `feedback` is kept.

        Raises:
            InvalidInputError: An argument is not of the kind said above.
            ScorerError: No scores could be had and `on_error` is `"raise"`.
        """
        results, rerank_id = self._ranked_and_recorded(query, self._texts(documents), **settings)
        return [
            {
                "index": result.index,
                RELEVANCE_SCORE: result.score,
                **result_metadata(result, rerank_id),
            }
            for result in results
        ]

    def _expand(self, query: str) -> Any:
        """A runnable's answer may be a message; its run is a child of ours."""
        if not isinstance(self.query_expander, Runnable):
            return super()._expand(query)
        answer = self.query_expander.invoke(query)
        return answer.text if isinstance(answer, BaseMessage) else answer

    @property
    def _run(self) -> RunnableLambda[tuple[str, list[Document]], list[Document]]:
        return RunnableLambda(self._compress, afunc=self._acompress, name="QwenRerank")

    def _config(self, callbacks: Callbacks | None) -> RunnableConfig:
        metadata = {"ls_provider": "qwen", "ls_model_name": self.model_name, "top_n": self.top_n}
        return RunnableConfig(callbacks=callbacks, metadata=metadata)

    def _compress(self, given: tuple[str, list[Document]]) -> list[Document]:
        query, documents = given
        results, rerank_id = self._ranked_and_recorded(query, self._texts(documents))
        return [_copy(documents[result.index], result, rerank_id) for result in results]

    async def _acompress(self, given: tuple[str, list[Document]]) -> list[Document]:
        return await self._reranker.run(self._compress, given)

    def _texts(self, documents: Sequence[str | Document]) -> list[str]:
        if isinstance(documents, str) or not all(isinstance(d, str | Document) for d in documents):
            raise InvalidInputError("documents must be a list of texts or of LangChain's Documents")
        return [d if isinstance(d, str) else self._text(d) for d in documents]

    def _text(self, document: Document) -> str:
        if self.document_formatter is None:
            return document.page_content
        return document_of(self.document_formatter(document))

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """`dumpd` writes the settings, without the secrets."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Where `load` finds what `dumpd` leaves out."""
        return {"api_key": "QWEN_RERANK_API_KEY", "cache_url": "QWEN_RERANK_CACHE_URL"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Every setting, so that no environment changes it; secrets as `lc_secrets` names them."""
        written = {name: getattr(self, name) for name in AdapterSettings.model_fields}
        written["query_merge"] = self.query_merge
        del written["scorer"]
        return {k: v for k, v in written.items() if v is not None or k not in self.lc_secrets}

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """What `dumpd` writes; settings that are objects of yours can't be written down."""
        objects = self.scorer, self.document_formatter, self.query_expander, self.feedback
        if any(one is not None for one in objects):
            return self.to_json_not_implemented()
        return super().to_json()


def _copy(document: Document, result: RerankResult, rerank_id: str | None) -> Document:
    """A copy with its id and metadata; vector stores hand out the objects that they keep."""
    stale = (RELEVANCE_SCORE, *stale_keys(rerank_id))  # of an earlier stage
    kept = kept_metadata(document.metadata, stale)
    score = {} if result.score is None else {RELEVANCE_SCORE: result.score}
    new = {**kept, **result_metadata(result, rerank_id), **score}
    return document.model_copy(update={"metadata": new})
