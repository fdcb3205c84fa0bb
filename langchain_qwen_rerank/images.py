"""LangChain's content blocks as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import convert_to_openai_image_block

from qwen_rerank import ImageDocument
from qwen_rerank.errors import InvalidInputError

Content = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
"""A text, or the content blocks of a message: texts, and at most one image."""


def document_of(content: Content) -> str:
    """What is scored: a text, and an image where there is one; what is neither stays as it is.

    Raises:
        InvalidInputError: There are several images, or a block of another kind.
    """
    if isinstance(content, str | bytes) or not isinstance(content, Mapping | Sequence):
        return content
    blocks = [content] if isinstance(content, Mapping) else list(content)
    texts = [text for block in blocks if (text := _text(block)) is not None]
    images = [
        _url(block) for block in blocks if isinstance(block, Mapping) and _text(block) is None
    ]
    if len(images) > 1:
        raise InvalidInputError(f"a document may hold one image, got {len(images)}")
    text = "\n".join(texts)
    return ImageDocument(images[0], text) if images else text


def _text(block: str | Mapping[str, Any]) -> str | None:
    if isinstance(block, str):
        return block
    return str(block["text"]) if block.get("type") == "text" and "text" in block else None


def _url(block: Mapping[str, Any]) -> str:
    """The image's URL; a block of LangChain's own form is first written as OpenAI's."""
    try:
        own = block.get("type") == "image"
        image = (convert_to_openai_image_block(dict(block)) if own else block)["image_url"]
    except (KeyError, ValueError) as error:
        raise InvalidInputError(
            f"a document's block must be a text or an image, got the type {block.get('type')!r}"
        ) from error
    return str(image["url"] if isinstance(image, Mapping) else image)
