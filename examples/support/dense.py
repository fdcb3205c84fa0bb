"""Dense vectors into FAISS: the coarse stage of the examples, as `qwen-rerank eval` has it."""

from __future__ import annotations

from qwen_rerank.evaluation.dense import DenseIndex
from qwen_rerank.evaluation.embedding import Embedder, LsaEmbedder, sentence_transformer

__all__ = ["DenseIndex", "Embedder", "LsaEmbedder", "sentence_transformer"]
