"""Scores over HTTP, from any rerank server. Imports no model code."""

from qwen_rerank.remote.scorer import RemoteScorer

__all__ = ["RemoteScorer"]
