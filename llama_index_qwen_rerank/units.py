"""Units of a split document as LlamaIndex nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llama_index.core.schema import TextNode

from qwen_rerank.splitting import Unit


def to_nodes(units: Iterable[Unit], metadata: Mapping[str, Any] | None = None) -> list[TextNode]:
    """A node for each unit, its heading path in `metadata["headings"]`, embedded with it.

    Args:
        units: From `qwen_rerank.splitting`.
        metadata: What every node shall carry besides, such as its source.
    """
    return [
        TextNode(
            text=unit.text,
            metadata={**(metadata or {}), "headings": unit.path},
        )
        for unit in units
    ]
