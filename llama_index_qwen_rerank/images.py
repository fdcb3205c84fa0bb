"""Nodes with images as documents."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

from llama_index.core.schema import BaseNode, ImageNode, MetadataMode

from qwen_rerank import ImageDocument

logger = logging.getLogger(__name__)


def document_of(node: BaseNode, mode: MetadataMode) -> str:
    """What is scored: a node's text, and its image where it has one.

    An image that can't be read leaves its node's text, and a warning.
    """
    text: str = node.get_content(mode)
    if not isinstance(node, ImageNode):
        return text
    if node.image is None and node.image_path is None and node.image_url:
        return ImageDocument(node.image_url, text)
    try:
        content = _content(node)
    except (OSError, ValueError) as error:
        logger.warning("only the text of node %s is scored: %s", node.node_id, error)
        return text
    kind = node.image_mimetype or "image/png"  # a name only: servers look at the content
    return ImageDocument.of_bytes(content, kind, text)


def _content(node: ImageNode) -> bytes:
    if node.image is not None:
        return base64.b64decode(node.image)
    if node.image_path is None:
        raise ValueError("it names no image")
    return Path(node.image_path).read_bytes()
