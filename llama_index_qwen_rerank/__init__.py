"""Qwen3-Reranker for LlamaIndex.

Importing this package loads no torch; the first nodes do.
"""

from llama_index_qwen_rerank.expander import LLMQueryExpander
from llama_index_qwen_rerank.postprocessor import QwenRerank

__all__ = ["LLMQueryExpander", "QwenRerank"]
