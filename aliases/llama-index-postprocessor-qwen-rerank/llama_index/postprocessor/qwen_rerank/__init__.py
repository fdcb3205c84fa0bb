"""`llama_index_qwen_rerank` under the path that LlamaIndex integrations have."""

from llama_index_qwen_rerank import LLMQueryExpander, QwenRerank, to_nodes

__all__ = ["LLMQueryExpander", "QwenRerank", "to_nodes"]
