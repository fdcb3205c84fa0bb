"""Scores over HTTP, from any rerank server. Imports no model code."""

from pathlib import Path

from qwen_rerank.scorers.remote.scorer import RemoteScorer

TEMPLATE_FILE = Path(__file__).parent / "qwen3_reranker.jinja"
"""The chat template for servers, see docs/remote.md."""

__all__ = ["TEMPLATE_FILE", "RemoteScorer"]
