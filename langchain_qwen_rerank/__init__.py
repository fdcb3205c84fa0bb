"""Qwen3-Reranker for LangChain."""
