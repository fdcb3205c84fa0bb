"""Qwen3-Reranker for LlamaIndex.

Importing this package loads no torch; the first nodes do.
"""

from qwen_rerank.extras import require_extras

require_extras("llama-index")

from llama_index_qwen_rerank.expander import LLMQueryExpander  # noqa: E402 - after the check
from llama_index_qwen_rerank.postprocessor import QwenRerank  # noqa: E402 - after the check
from llama_index_qwen_rerank.units import to_nodes  # noqa: E402 - after the check

__all__ = ["LLMQueryExpander", "QwenRerank", "to_nodes"]
