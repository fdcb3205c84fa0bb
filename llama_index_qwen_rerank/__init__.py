"""Qwen3-Reranker for LlamaIndex.

Importing this package loads no torch; the first nodes do.
"""

from llama_index_qwen_rerank.expander import LLMQueryExpander
from llama_index_qwen_rerank.postprocessor import QwenRerank
from llama_index_qwen_rerank.units import to_nodes

__all__ = ["LLMQueryExpander", "QwenRerank", "to_nodes"]
