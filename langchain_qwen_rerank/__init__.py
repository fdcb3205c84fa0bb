"""Qwen3-Reranker for LangChain.

Importing this package loads no torch; the first documents do.
"""

from langchain_qwen_rerank.compressor import QwenRerank
from langchain_qwen_rerank.cross_encoder import QwenCrossEncoder
from langchain_qwen_rerank.units import to_documents

__all__ = ["QwenCrossEncoder", "QwenRerank", "to_documents"]
