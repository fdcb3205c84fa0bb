"""Qwen3-Reranker in this process, on torch."""
