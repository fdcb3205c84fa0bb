"""How servers take documents with images.

A request without images is sent as texts, which text models of the same servers take as well.
"""

from __future__ import annotations

from typing import Any

from qwen_rerank.image import ImageDocument


def content_parts(document: str) -> Any:
    """VLLM's form: a text as it is, or the parts of a chat message.

    Source: `ScoreMultiModalParam` in vLLM's `entrypoints/pooling/scoring`.
    """
    if not isinstance(document, ImageDocument):
        return document
    image = {"type": "image_url", "image_url": {"url": document.image}}
    beside = [{"type": "text", "text": document.text}] if document.text else []
    return {"content": [*beside, image]}


def fields(document: str) -> Any:
    """Jina's and DashScope's form: a text or an image, so that a text beside it is not sent.

    Source: the rerank references of jina-reranker-m0 and qwen3-vl-rerank.
    """
    if isinstance(document, ImageDocument):
        return {"image": document.image}
    return {"text": document}
