"""Measures a retrieval pipeline before and after reranking. Importing this is cheap."""

from qwen_rerank.evaluation.comparison import compare
from qwen_rerank.evaluation.dataset import Dataset
from qwen_rerank.evaluation.reader import read_dataset
from qwen_rerank.evaluation.report import Report

__all__ = ["Dataset", "Report", "compare", "read_dataset"]
