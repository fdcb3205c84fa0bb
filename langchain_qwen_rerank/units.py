"""Units of a split document as LangChain documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.documents import Document

from qwen_rerank.splitting import Unit


def to_documents(
    units: Iterable[Unit], metadata: Mapping[str, Any] | None = None
) -> list[Document]:
    """A document for each unit, its heading path in `metadata["headings"]`.

    Args:
        units: From `qwen_rerank.splitting`.
        metadata: What every document shall carry besides, such as its source.
    """
    return [
        Document(
            page_content=unit.text,
            metadata={**(metadata or {}), "headings": unit.path},
        )
        for unit in units
    ]
