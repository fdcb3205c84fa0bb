"""Qwen3-Reranker for LangChain.

Importing this package loads no torch; the first documents do.
"""

from qwen_rerank.extras import require_extras

require_extras("langchain")

from langchain_qwen_rerank.compressor import QwenRerank  # noqa: E402 - after the check
from langchain_qwen_rerank.cross_encoder import QwenCrossEncoder  # noqa: E402 - after the check
from langchain_qwen_rerank.units import to_documents  # noqa: E402 - after the check

__all__ = ["QwenCrossEncoder", "QwenRerank", "to_documents"]
