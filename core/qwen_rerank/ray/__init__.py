"""Scoring on a Ray cluster: `app` for Ray Serve, `rerank_dataset` for Ray Data.

Importing this package loads neither Ray nor torch.
"""

from qwen_rerank.ray.dataset import rerank_dataset
from qwen_rerank.ray.serving import app

__all__ = ["app", "rerank_dataset"]
